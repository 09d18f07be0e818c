"""From a corpus to the adapter in use: what is learned from, what is tried, what is promoted."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from deltanas_agent.finetuning import Judge, Judged, Made, brief_of, examples_of
from deltanas_agent.trial import Trial, funnel
from deltanas_repo_store.adapters import Adapters
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.delta import render_delta
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Architecture, Proposal
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.finetune_lora.corpus.pairs import Pair
from deltanas_tools.propose_delta.port import Proposer, Request
from deltanas_tools.sandbox import Limits, Sandbox
from tests.adapters_for_tests import adapter_folder

PLAIN = baselines()["plain-cnn"]
BRIEFS = {"plain-cnn": brief_of(PLAIN, dataset="digits", size="1x28x28-10")}
LIMITS = Limits(wall_seconds=60.0, memory_bytes=2**31)
WIDER = ("widths = (12, 24, 48)", "widths = (16, 32, 64)")
DEAD = ("kernel = 3\n", "kernel = 3\n        unused = 1\n")
BROKEN = ("nn.Linear(channels, num_classes)", "nn.Linear(1, num_classes)")
FROZEN = ("self.train()", "self.eval()")


class Knows:
    """A proposer that knows some edits, one for each answer in turn."""

    name = "knows"
    batch = 2

    def __init__(self, *edits: tuple[str, str]) -> None:
        self._edits = edits
        self.asked = 0

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        return [self._answer(each) for each in requests]

    def _answer(self, request: Request) -> Proposal:
        source = request.brief.parent.source
        edit = self._edits[self.asked % len(self._edits)]
        self.asked += 1
        answer = render_delta(source, source.replace(*edit))
        return Proposal(answer=answer, proposer=self.name, seed=request.seed)


def pair(child: str) -> Pair:
    return Pair(
        source="mutation",
        parent=PLAIN,
        child=child,
        dataset="mnist",
        input="1x28x28-10",
        parent_name="plain-cnn",
        family="plain-cnn",
        root="plain-cnn",
    )


def trial(sandbox: Sandbox, answers: int = 2) -> Trial:
    return Trial(BRIEFS, answers, sandbox, LIMITS)


@pytest.fixture
def store() -> Store:
    store = Store(MemoryRepository())
    store.begin_run("night", {"kind": "search"})
    return store


def judged(store: Store, sandbox: Sandbox, folder: Path, new: Proposer, old: Proposer) -> Judged:
    """What becomes of an adapter that makes ``new`` of the model that was ``old``."""
    made = Made(
        folder=adapter_folder(folder),
        base_model="tiny",
        corpus="c0ffee00",
        num_examples=2,
        loss=1.0,
    )
    judge = Judge(
        Adapters(store),
        "night",
        trial(sandbox),
        proposer=lambda used: new if used == folder else old,
        folder_of=lambda entry: Path(entry.id),
    )
    return judge.keep(made, cycle=1)


def test_a_model_learns_the_compact_delta_of_a_pair() -> None:
    wider = PLAIN.source.replace(*WIDER)
    [example], left_out = examples_of([pair(wider)], context=1)
    assert DeltaGrammar.of(PLAIN.source).read(example.completion) == wider
    assert (example.prompt[-1].role, left_out) == ("user", {})


def test_a_pair_that_is_no_allowed_delta_is_left_out_and_counted() -> None:
    frozen = PLAIN.source.replace(*FROZEN)
    assert examples_of([pair(frozen)], context=1) == ([], {"frozen": 1})


def test_a_trial_counts_how_far_first_answers_come(sandbox: Sandbox) -> None:
    tried = [*trial(sandbox, answers=4).run(Knows(WIDER, DEAD, BROKEN, FROZEN))]
    assert [each.stage for each in tried] == [None, "effective", "build", "interface"]
    found = funnel(tried)
    assert (found.answered, found.applied, found.ran, found.effective) == (4, 4, 2, 1)


def test_every_proposer_is_asked_with_the_same_seeds(sandbox: Sandbox) -> None:
    first, second = ([*trial(sandbox).run(Knows(edit))] for edit in (DEAD, FROZEN))
    assert [each.seed for each in first] == [each.seed for each in second]


def test_a_network_that_does_not_build_cannot_be_in_a_trial(sandbox: Sandbox) -> None:
    broken = Architecture(source=PLAIN.source.replace(*BROKEN), hparams=PLAIN.hparams)
    briefs = {"broken": brief_of(broken, dataset="digits", size="1x28x28-10")}
    with pytest.raises(ConfigError, match="broken cannot be in a trial"):
        list(Trial(briefs, 1, sandbox, LIMITS).run(Knows(WIDER)))


def test_a_better_adapter_is_used_from_now_on(
    store: Store, sandbox: Sandbox, tmp_path: Path
) -> None:
    result = judged(store, sandbox, tmp_path / "a", Knows(WIDER), Knows(DEAD))
    assert result.promoted
    assert Adapters(store).current("night") == result.entry


def test_one_that_is_not_better_is_kept_and_not_used(
    store: Store, sandbox: Sandbox, tmp_path: Path
) -> None:
    result = judged(store, sandbox, tmp_path / "a", Knows(DEAD), Knows(WIDER))
    assert not result.promoted
    assert Adapters(store).entries("night") == (result.entry,)
    assert Adapters(store).current("night") is None


def test_what_was_tried_on_the_same_before_is_not_tried_again(
    store: Store, sandbox: Sandbox, tmp_path: Path
) -> None:
    untuned = Knows(DEAD)
    for name in ("a", "b"):
        judged(store, sandbox, tmp_path / name, Knows(DEAD), untuned)
    assert untuned.asked == 2
