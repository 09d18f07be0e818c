"""The loop: what becomes of a candidate, and that every session goes on where the last ended."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from deltanas_agent.config import (
    Budget,
    Deltas,
    Measurement,
    Novelty,
    Replication,
    RunConfig,
    Selection,
)
from deltanas_agent.evaluator import Evaluator
from deltanas_agent.events import AnswerEnded, Event, Replicated, SlotSkipped
from deltanas_agent.executors import LocalExecutor
from deltanas_agent.loop import Loop
from deltanas_agent.trainers import Place, Trainers
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.delta import render_delta
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.errors import ConfigError, ProposerError, StoreBusy
from deltanas_repo_store.records import Architecture, CandidateKey, Kept, Proposal, Rejected
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from deltanas_tools.brief import Brief
from deltanas_tools.datasets import Dataset
from deltanas_tools.novelty_check import Catalogue, NoveltyIndex
from deltanas_tools.propose_delta.mutation import MutationProposer
from deltanas_tools.propose_delta.port import Proposer, Request
from deltanas_tools.sandbox import Sandbox

WIDE = baselines()["wide-net"]
COMPARED = Novelty()
MEASUREMENT = Measurement(check_seconds=60, train_seconds=60)
ONCE = Replication(seeds=1)
ONE = RunConfig(cycles=1, candidates=1, attempts=3, measurement=MEASUREMENT, replication=ONCE)
REPLICATED = ONE.model_copy(update={"replication": Replication()})

Edit = Callable[[str], str]


def dead_code(source: str) -> str:
    return source + "\nUNUSED = 1\n"


def crashing(source: str) -> str:
    return source.replace("super().__init__()", "super().__init__()\n        self.x = 1 / 0", 1)


def nudged(source: str) -> str:
    """Computes something else, in almost the same words."""
    return source.replace("return self.head(", "return 2.0 * self.head(")


def novel(source: str) -> str:
    """Computes something else in enough new words for the novelty check."""
    lines = "".join(f"        x = x * {n}.0 / {n}.0\n" for n in range(2, 20))
    return source.replace("    def forward(self, x):\n", f"    def forward(self, x):\n{lines}", 1)


def exploding(source: str) -> str:
    """Well-behaved for the first few batches."""
    count = (
        "self.batches = getattr(self, 'batches', 0) + 1\n"
        "        x = x * (1.0 if self.batches < 5 else float('nan'))\n"
    )
    return novel(source).replace("x = x * 2.0 / 2.0\n", count, 1)


class Scripted:
    """A proposer whose answers are edits that the test hands it, one after the other."""

    name = "scripted"

    def __init__(self, *edits: Edit, batch: int = 1) -> None:
        self._edits = list(edits)
        self.batch = batch
        self.briefs: list[Brief] = []
        self.asked: list[int] = []

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        self.asked.append(len(requests))
        return [self._answer(each.brief, each.seed) for each in requests]

    def _answer(self, brief: Brief, seed: int) -> Proposal:
        self.briefs.append(brief)
        if not self._edits:
            raise ProposerError("the script is at its end")
        answer = render_delta(brief.parent.source, self._edits.pop(0)(brief.parent.source))
        return Proposal(answer=answer, proposer=self.name, seed=seed)


def evaluator_of(
    store: Store,
    sandbox: Sandbox,
    digits: Dataset,
    trainers: Trainers | None = None,
    rules: Novelty = COMPARED,
) -> Evaluator:
    executor = LocalExecutor(trainers or Trainers([Place(sandbox, "cpu")]), lambda _: digits)
    novelty = NoveltyIndex(Catalogue(store), rules.threshold, with_parent=rules.parent == "include")
    return Evaluator(store, sandbox, digits, novelty, MEASUREMENT, executor, rules=rules)


@pytest.fixture
def store() -> Store:
    store = Store(MemoryRepository())
    store.import_baseline("wide-net", WIDE)
    return store


@pytest.fixture
def evaluator(store: Store, sandbox: Sandbox, digits: Dataset) -> Evaluator:
    return evaluator_of(store, sandbox, digits)


def loop(
    evaluator: Evaluator,
    proposer: Proposer,
    config: RunConfig = ONE,
    notify: Callable[[Event], None] = lambda event: None,
) -> Loop:
    return Loop("night", config, evaluator.store, {"digits": evaluator}, {"": proposer}, notify)


def endings(store: Store) -> list[tuple[str, str]]:
    return [
        (entry.key.name, "kept" if isinstance(entry, KeptEntry) else f"{entry.stage}: {entry.code}")
        for entry in sorted(store.candidates("night"), key=lambda entry: entry.key.name)
    ]


def test_a_good_candidate_is_kept_with_its_accuracy(store: Store, evaluator: Evaluator) -> None:
    finished = loop(evaluator, Scripted(novel)).drive()
    [entry] = store.candidates("night")
    assert isinstance(entry, KeptEntry)
    assert entry.accuracy > 0.3
    outcome = store.outcome(entry.key)
    assert isinstance(outcome, Kept)
    assert outcome.evaluation.isolation == evaluator.sandbox.isolation
    assert (finished.reason, finished.ledger.kept, finished.ledger.kept_first) == ("", 1, 1)


@pytest.mark.parametrize(
    ("edit", "ending"),
    [
        pytest.param(lambda source: "", "patch: unusable", id="an empty result"),
        pytest.param(dead_code, "effective: ineffective", id="dead code"),
        pytest.param(crashing, "build: construct", id="a crash in the constructor"),
        pytest.param(
            lambda source: source.replace("def learn", "def learned"),
            "interface: interface",
            id="no learn",
        ),
    ],
)
def test_a_bad_candidate_is_recorded_and_the_search_goes_on(
    store: Store, evaluator: Evaluator, edit: Edit, ending: str
) -> None:
    config = ONE.model_copy(update={"attempts": 2})
    loop(evaluator, Scripted(edit, novel), config).drive()
    first, second = endings(store)
    assert first[0] == "c01-001"
    assert first[1].startswith(ending)
    assert second == ("c01-001-try2", "kept")


def respelled(source: str) -> str:
    """Computes what `novel` does, in other words."""
    return novel(source).replace("x = x * 2.0 / 2.0", "x = (x * 2.0) / (1.0 + 1.0)")


def test_a_near_duplicate_of_another_than_its_parent_is_not_trained(
    store: Store, evaluator: Evaluator
) -> None:
    store.import_baseline("sibling", Architecture(source=novel(WIDE.source), hparams=WIDE.hparams))
    config = ONE.model_copy(update={"attempts": 1, "baselines": ("wide-net",)})
    near = Scripted(lambda source: novel(source).replace("x * 5.0", "x * x * 5.0"))
    loop(evaluator, near, config).drive()
    [entry] = store.candidates("night")
    outcome = store.outcome(entry.key)
    assert isinstance(outcome, Rejected)
    assert outcome.rejection.code == "near-duplicate"
    assert "like sibling (a baseline)" in outcome.rejection.message


@pytest.mark.parametrize(
    ("parent", "ending"), [("exclude", "kept"), ("include", "novelty: near-duplicate")]
)
def test_a_configuration_says_whether_the_parents_text_counts(
    store: Store, sandbox: Sandbox, digits: Dataset, parent: str, ending: str
) -> None:
    rules = Novelty.model_validate({"parent": parent})
    config = ONE.model_copy(update={"attempts": 1})
    loop(evaluator_of(store, sandbox, digits, rules=rules), Scripted(nudged), config).drive()
    assert endings(store) == [("c01-001", ending)]


@pytest.mark.parametrize(
    ("action", "ending"), [("refuse", "novelty: same-computation"), ("report", "kept")]
)
def test_what_another_network_computes_is_refused_or_reported(
    store: Store, sandbox: Sandbox, digits: Dataset, action: str, ending: str
) -> None:
    rules = Novelty.model_validate({"same_computation": action, "threshold": 1.0})
    config = ONE.model_copy(update={"candidates": 2, "attempts": 1})
    evaluator = evaluator_of(store, sandbox, digits, rules=rules)
    loop(evaluator, Scripted(novel, respelled), config).drive()
    assert endings(store) == [("c01-001", "kept"), ("c01-002", ending)]
    second = store.outcome(CandidateKey(run="night", cycle=1, index=2))
    assert second.novelty is not None
    assert second.novelty.same_computation_as == store.resolve("night/c01-001")


def test_a_delta_that_was_tried_before_is_told_to_the_proposer(
    store: Store, evaluator: Evaluator
) -> None:
    config = ONE.model_copy(update={"candidates": 2, "attempts": 1})
    loop(evaluator, Scripted(novel, novel), config).drive()
    second = store.outcome(CandidateKey(run="night", cycle=1, index=2))
    assert isinstance(second, Rejected)
    assert "the same delta was tried as night/c01-001 (kept" in second.rejection.message


def test_a_training_that_goes_to_nan_ends_its_slot(store: Store, evaluator: Evaluator) -> None:
    loop(evaluator, Scripted(exploding)).drive()
    [(name, ending)] = endings(store)
    assert name == "c01-001"
    assert "not-finite" in ending


def test_a_refusal_goes_back_to_the_proposer(evaluator: Evaluator) -> None:
    proposer = Scripted(dead_code, novel)
    loop(evaluator, proposer).drive()
    assert [[each.code for each in brief.refusals] for brief in proposer.briefs] == [
        [],
        ["ineffective"],
    ]


def test_the_refused_answer_goes_back_as_well(evaluator: Evaluator) -> None:
    proposer = Scripted(dead_code, novel)
    loop(evaluator, proposer).drive()
    first, second = [brief.refused_answer for brief in proposer.briefs]
    assert (first, second) == ("", render_delta(WIDE.source, dead_code(WIDE.source)))


def test_first_answers_about_one_parent_are_asked_for_together(evaluator: Evaluator) -> None:
    config = ONE.model_copy(update={"candidates": 5, "attempts": 1})
    proposer = Scripted(*[dead_code] * 5, batch=3)
    loop(evaluator, proposer, config).drive()
    assert proposer.asked == [3, 2]


def test_answers_asked_for_together_stay_within_the_budget(evaluator: Evaluator) -> None:
    config = ONE.model_copy(update={"candidates": 5, "attempts": 1, "budget": Budget(answers=2)})
    proposer = Scripted(*[dead_code] * 5, batch=4)
    assert loop(evaluator, proposer, config).drive().ledger.answers == 2
    assert proposer.asked == [2]


def test_answers_that_were_asked_for_together_are_evaluated_after_an_interruption(
    store: Store, evaluator: Evaluator
) -> None:
    config = ONE.model_copy(update={"candidates": 3, "attempts": 1})

    def interrupt(event: Event) -> None:
        if isinstance(event, AnswerEnded):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loop(evaluator, Scripted(*[dead_code] * 3, batch=3), config, interrupt).drive()
    silent = Scripted(batch=3)
    loop(evaluator, silent, config).drive()
    assert (len(endings(store)), silent.asked) == (3, [])


def test_a_proposer_is_told_what_earlier_cycles_tried_on_the_parent(evaluator: Evaluator) -> None:
    config = ONE.model_copy(update={"cycles": 2, "candidates": 2, "attempts": 1, "siblings": 1})
    proposer = Scripted(*[dead_code] * 4)
    loop(evaluator, proposer, config).drive()
    told = [brief.siblings for brief in proposer.briefs]
    assert told[:2] == [(), ()]
    assert told[2] == told[3] == ("Add `UNUSED = 1` · rejected: ineffective",)


def test_a_slot_ends_after_its_last_attempt(store: Store, evaluator: Evaluator) -> None:
    loop(evaluator, Scripted(*[dead_code] * 3)).drive()
    assert [name for name, _ in endings(store)] == ["c01-001", "c01-001-try2", "c01-001-try3"]


def test_a_broken_proposer_stops_the_run_and_costs_no_candidate(
    store: Store, evaluator: Evaluator
) -> None:
    with pytest.raises(ProposerError):
        loop(evaluator, Scripted()).drive()
    assert store.candidates("night") == ()
    loop(evaluator, Scripted(novel)).drive()
    assert endings(store) == [("c01-001", "kept")]


def test_the_answers_budget_stops_the_run_and_raising_it_resumes(
    store: Store, evaluator: Evaluator
) -> None:
    tight = ONE.model_copy(update={"budget": Budget(answers=1)})
    stopped = loop(evaluator, Scripted(dead_code), tight).drive()
    assert "budget of 1 answers" in stopped.reason
    loop(evaluator, Scripted(novel)).drive()
    assert endings(store)[-1] == ("c01-001-try2", "kept")


def test_a_finished_run_does_nothing_again(store: Store, evaluator: Evaluator) -> None:
    loop(evaluator, Scripted(novel)).drive()
    before = store.entries()
    events: list[Event] = []
    loop(evaluator, Scripted(), notify=events.append).drive()
    assert store.entries() == before
    assert [event for event in events if isinstance(event, SlotSkipped | AnswerEnded)] == [
        SlotSkipped(cycle=1, index=1)
    ]


def test_an_interrupted_answer_is_taken_up_and_not_asked_again(
    store: Store, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(evaluator, "admit", interrupt)
        with pytest.raises(KeyboardInterrupt):
            loop(evaluator, Scripted(novel)).drive()
    assert len(store.pending("night")) == 1
    loop(evaluator, Scripted()).drive()
    assert endings(store) == [("c01-001", "kept")]


def test_what_a_cycle_kept_may_be_a_parent_in_the_next(sandbox: Sandbox, digits: Dataset) -> None:
    store = Store(MemoryRepository())
    blind = WIDE.source.replace("return self.head(", "return 0.0 * self.head(")
    store.import_baseline("blind", Architecture(source=blind, hparams=WIDE.hparams))
    evaluator = evaluator_of(store, sandbox, digits)
    best = Selection(strategy="top-k", size=1)
    config = ONE.model_copy(update={"cycles": 2, "attempts": 1, "selection": best})
    proposer = Scripted(lambda source: novel(source.replace("0.0 * ", "")), dead_code)
    loop(evaluator, proposer, config).drive()
    assert [brief.parent for brief in proposer.briefs] == [
        store.get(store.resolve("blind")),
        store.get(store.resolve("night/c01-001")),
    ]


def test_two_drivers_of_one_run_are_one_too_many(store: Store, evaluator: Evaluator) -> None:
    with store.driving("night"), pytest.raises(StoreBusy):
        loop(evaluator, Scripted()).drive()


@pytest.mark.parametrize(
    ("names", "architectures"),
    [
        pytest.param(("nosuch",), {}, id="an unknown baseline"),
        pytest.param(("broken",), {"broken": "x = 1\n"}, id="none that builds"),
    ],
)
def test_a_run_without_a_parent_is_refused(
    store: Store, evaluator: Evaluator, names: Sequence[str], architectures: dict[str, str]
) -> None:
    for name, source in architectures.items():
        store.import_baseline(name, Architecture(source=source, hparams={}))
    config = ONE.model_copy(update={"baselines": tuple(names)})
    with pytest.raises(ConfigError, match="baseline"):
        loop(evaluator, Scripted(), config).drive()


def test_the_same_seeds_give_the_same_search(sandbox: Sandbox, digits: Dataset) -> None:
    lineages = []
    for _ in range(2):
        store = Store(MemoryRepository())
        store.import_baseline("wide-net", WIDE)
        evaluator = evaluator_of(store, sandbox, digits)
        config = RunConfig(cycles=2, candidates=2, measurement=MEASUREMENT)
        loop(evaluator, MutationProposer(), config).drive()
        lineages.append(
            [
                (entry.key, entry.accuracy if isinstance(entry, KeptEntry) else entry.code)
                for entry in store.candidates("night")
            ]
        )
    assert lineages[0] == lineages[1]


def test_every_rejection_says_why(store: Store, evaluator: Evaluator) -> None:
    config = ONE.model_copy(update={"candidates": 3, "attempts": 2})
    loop(evaluator, MutationProposer(), config).drive()
    for entry in store.candidates("night"):
        if isinstance(entry, RejectedEntry):
            outcome = store.outcome(entry.key)
            assert isinstance(outcome, Rejected)
            assert outcome.rejection.message


def slower(source: str) -> str:
    """Another way to learn."""
    return novel(source).replace(
        "clip_grad_norm_(self.parameters(), 3", "clip_grad_norm_(self.parameters(), 2"
    )


def test_a_delta_that_changes_how_the_network_learns_is_refused(
    store: Store, evaluator: Evaluator
) -> None:
    config = ONE.model_copy(update={"attempts": 1})
    loop(evaluator, Scripted(slower), config).drive()
    [entry] = store.candidates("night")
    outcome = store.outcome(entry.key)
    assert isinstance(outcome, Rejected)
    assert (outcome.rejection.stage, outcome.rejection.code) == ("interface", "frozen")
    assert "Net.learn" in outcome.rejection.message
    assert outcome.architecture is not None
    assert "clip_grad_norm_(self.parameters(), 2" in outcome.architecture.source


def with_rules(evaluator: Evaluator, rules: Deltas) -> Evaluator:
    return replace(evaluator, deltas=rules)


def test_a_run_may_allow_it(store: Store, evaluator: Evaluator) -> None:
    allowing = with_rules(evaluator, Deltas(frozen_parts="allow"))
    loop(allowing, Scripted(slower)).drive()
    assert [ending for _, ending in endings(store)] == ["kept"]


class InEnvelope(Scripted):
    """Answers as the paper's prompt asks for, with hyper-parameters of its own."""

    def _answer(self, brief: Brief, seed: int) -> Proposal:
        proposal = super()._answer(brief, seed)
        answer = (
            f"<hp>{{'lr': 0.02, 'colour': 3}}</hp>\n<tr>norm</tr>\n"
            f"<delta>\n{proposal.answer}</delta>\n"
        )
        return proposal.model_copy(update={"answer": answer})


def test_proposed_hyperparameters_are_recorded_and_not_used(
    store: Store, evaluator: Evaluator
) -> None:
    loop(evaluator, InEnvelope(novel)).drive()
    [entry] = store.candidates("night")
    outcome = store.outcome(entry.key)
    assert isinstance(outcome, Kept)
    assert dict(outcome.proposed_hparams) == {"lr": 0.02}
    assert ["colour" in problem for problem in outcome.hparams_problems] == [True]
    assert dict(outcome.architecture.hparams) == dict(WIDE.hparams)


def test_a_run_that_uses_them_refuses_those_that_are_not_valid(
    store: Store, evaluator: Evaluator
) -> None:
    using = with_rules(evaluator, Deltas(hyperparameters="proposed"))
    loop(using, InEnvelope(novel), ONE.model_copy(update={"attempts": 1})).drive()
    assert [ending for _, ending in endings(store)] == ["patch: hyperparameters"]


class Faster(InEnvelope):
    """Proposes a learning rate, and nothing that is not known."""

    def _answer(self, brief: Brief, seed: int) -> Proposal:
        proposal = super()._answer(brief, seed)
        answer = proposal.answer.replace(", 'colour': 3", "")
        return proposal.model_copy(update={"answer": answer})


def test_a_run_that_uses_them_trains_with_them(store: Store, evaluator: Evaluator) -> None:
    using = with_rules(evaluator, Deltas(hyperparameters="proposed"))
    loop(using, Faster(novel)).drive()
    [entry] = store.candidates("night")
    outcome = store.outcome(entry.key)
    assert isinstance(outcome, Kept)
    assert outcome.architecture.hparams["lr"] == 0.02


def test_a_measurement_with_other_numerics_is_not_taken_for_one_of_these(
    store: Store, evaluator: Evaluator
) -> None:
    [baseline] = store.entries()
    evaluator.measure(baseline.id)
    halved = evaluator.measurement.model_copy(update={"precision": "bf16"})
    assert replace(evaluator, measurement=halved).measure(baseline.id).precision == "bf16"


def lineage(store: Store) -> list[tuple[str, object]]:
    return sorted(
        (entry.key.name, entry.accuracy if isinstance(entry, KeptEntry) else entry.code)
        for entry in store.candidates("night")
    )


def test_trainings_side_by_side_end_as_those_one_after_the_other(
    sandbox: Sandbox, digits: Dataset
) -> None:
    config = ONE.model_copy(update={"cycles": 2, "candidates": 3})
    lineages = []
    for num_places in (1, 2):
        store = Store(MemoryRepository())
        store.import_baseline("wide-net", WIDE)
        with Trainers([Place(Sandbox(), "cpu") for _ in range(num_places)]) as trainers:
            evaluator = evaluator_of(store, sandbox, digits, trainers)
            loop(evaluator, MutationProposer(), config).drive()
        lineages.append(lineage(store))
    assert lineages[0] == lineages[1]
    assert len(lineages[0]) >= 6


def test_a_twin_of_a_network_in_training_is_not_trained(sandbox: Sandbox, digits: Dataset) -> None:
    store = Store(MemoryRepository())
    store.import_baseline("wide-net", WIDE)
    with Trainers([Place(Sandbox(), "cpu") for _ in range(2)]) as trainers:
        evaluator = evaluator_of(store, sandbox, digits, trainers)
        config = ONE.model_copy(update={"candidates": 2, "attempts": 1})
        loop(evaluator, Scripted(novel, novel), config).drive()
    assert endings(store) == [("c01-001", "kept"), ("c01-002", "novelty: exact-duplicate")]


def test_baselines_are_measured_with_all_seeds(store: Store, evaluator: Evaluator) -> None:
    loop(evaluator, Scripted(novel), REPLICATED).drive()
    [baseline, *_] = store.entries()
    seeds = [each.seed for each in store.evaluations(baseline.id)]
    assert sorted(seeds) == [42, 43, 44]


def test_a_candidate_is_recorded_with_the_noise_floor(store: Store, evaluator: Evaluator) -> None:
    loop(evaluator, Scripted(novel), REPLICATED).drive()
    [entry] = store.candidates("night")
    outcome = store.outcome(entry.key)
    assert isinstance(outcome, Kept)
    assert outcome.noise_floor == evaluator.noise_floor()
    assert isinstance(entry, KeptEntry)
    assert entry.improved == outcome.improved


def test_the_best_count_with_their_mean_over_all_seeds(store: Store, evaluator: Evaluator) -> None:
    events: list[Event] = []
    loop(evaluator, Scripted(novel), REPLICATED, events.append).drive()
    [replicated] = [event for event in events if isinstance(event, Replicated)]
    kept = store.evaluations(store.resolve("night/c01-001"))
    assert replicated.name == "night/c01-001"
    assert replicated.mean == pytest.approx(sum(each.accuracy for each in kept) / 3)


def test_with_one_seed_everything_is_measured_once(store: Store, evaluator: Evaluator) -> None:
    loop(evaluator, Scripted(novel)).drive()
    assert evaluator.noise_floor() is None
    assert {len(store.evaluations(each.id)) for each in store.entries()} == {1}


def test_a_run_measures_through_its_transform(store: Store, evaluator: Evaluator) -> None:
    flipped = evaluator.measurement.model_copy(update={"transform": "norm_32_flip"})
    [baseline] = store.entries()
    evaluation = replace(evaluator, measurement=flipped).measure(baseline.id)
    assert evaluation.transform == "norm_32_flip"
    assert evaluation != evaluator.measure(baseline.id)


def test_a_source_full_of_data_is_refused_before_it_is_built(
    store: Store, evaluator: Evaluator
) -> None:
    def embedding(source: str) -> str:
        return f"TABLE = {list(range(10_000))}\n{novel(source)}"

    config = ONE.model_copy(update={"attempts": 1})
    loop(evaluator, Scripted(embedding), config).drive()
    [(_, ending)] = endings(store)
    assert ending == "interface: embedded-data"


def test_answers_in_training_count_against_the_budget(sandbox: Sandbox, digits: Dataset) -> None:
    store = Store(MemoryRepository())
    store.import_baseline("wide-net", WIDE)
    config = ONE.model_copy(update={"candidates": 4, "budget": Budget(answers=1)})
    with Trainers([Place(Sandbox(), "cpu") for _ in range(2)]) as trainers:
        evaluator = evaluator_of(store, sandbox, digits, trainers)
        loop(evaluator, Scripted(*[novel] * 4), config).drive()
    assert len(endings(store)) == 1
