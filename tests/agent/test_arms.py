"""Runs with several arms and data sets: what is shared, what is apart, and what stops."""

from collections.abc import Callable, Sequence

import pytest

from deltanas_agent.config import (
    Arm,
    Budget,
    Fork,
    Measurement,
    Novelty,
    Replication,
    RunConfig,
    Selection,
    Stops,
)
from deltanas_agent.evaluator import Evaluator
from deltanas_agent.events import ArmSpent, Event, SlotBegun
from deltanas_agent.executors import LocalExecutor
from deltanas_agent.loop import STOPPED, Loop
from deltanas_agent.slots import slot_of_key
from deltanas_agent.trainers import Place, Trainers
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.delta import render_delta
from deltanas_repo_store.entries import KeptEntry
from deltanas_repo_store.records import Proposal
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from deltanas_tools.datasets import Dataset
from deltanas_tools.novelty_check import Catalogue, NoveltyIndex
from deltanas_tools.propose_delta.port import Request
from deltanas_tools.sandbox import Sandbox

MEASUREMENT = Measurement(check_seconds=60, train_seconds=60)
CONFIG = RunConfig(
    cycles=2,
    candidates=2,
    attempts=1,
    arms={"wider": Arm(), "deeper": Arm()},
    datasets=("digits", "numerals"),
    measurement=MEASUREMENT,
    novelty=Novelty(same_computation="report", threshold=1.0),
    replication=Replication(seeds=1),
)


class Tells:
    """Makes one edit after the other, and remembers what it was asked."""

    batch = 1

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[Request] = []

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        self.asked += requests
        return [self._answer(each) for each in requests]

    def _answer(self, request: Request) -> Proposal:
        source = request.brief.parent.source
        scale = f"{self.name!r}, {len(self.asked)}"
        edited = source.replace(
            "    def forward(self, x):\n",
            f"    def forward(self, x):\n        x = x + len(({scale}))\n",
            1,
        )
        answer = render_delta(source, edited)
        return Proposal(answer=answer, proposer=self.name, seed=request.seed, input_tokens=60)


def store_of_two() -> Store:
    store = Store(MemoryRepository())
    for name in ("shuffle-net", "plain-cnn"):
        store.import_baseline(name, baselines()[name])
    return store


@pytest.fixture
def store() -> Store:
    return store_of_two()


@pytest.fixture
def evaluators(store: Store, sandbox: Sandbox, digits: Dataset) -> dict[str, Evaluator]:
    return evaluators_of(store, sandbox, digits)


@pytest.fixture(scope="module")
def whole(sandbox: Sandbox, digits: Dataset) -> tuple[Store, dict[str, Tells]]:
    """A run of two arms on two data sets that has ended, and its arms."""
    store = store_of_two()
    return store, run(store, evaluators_of(store, sandbox, digits))


def evaluators_of(store: Store, sandbox: Sandbox, digits: Dataset) -> dict[str, Evaluator]:
    executor = LocalExecutor(
        Trainers([Place(sandbox, "cpu")]), lambda name: digits.model_copy(update={"name": name})
    )
    index = NoveltyIndex(Catalogue(store), 1.0, with_parent=False)
    return {
        name: Evaluator(
            store,
            sandbox,
            digits.model_copy(update={"name": name}),
            index,
            MEASUREMENT.model_copy(update={"dataset": name}),
            executor,
            rules=CONFIG.novelty,
        )
        for name in CONFIG.datasets
    }


def run(
    store: Store,
    evaluators: dict[str, Evaluator],
    config: RunConfig = CONFIG,
    notify: Callable[[Event], None] = lambda event: None,
) -> dict[str, Tells]:
    arms = {name: Tells(name) for name in config.arms}
    Loop("night", config, store, evaluators, arms, notify).drive()
    return arms


def test_arms_get_the_same_parents_and_seeds(whole: tuple[Store, dict[str, Tells]]) -> None:
    _, arms = whole
    wider, deeper = (
        [(each.brief.parent, each.brief.dataset, each.seed) for each in arms[name].asked]
        for name in CONFIG.arms
    )
    assert wider == deeper
    assert len(wider) == 4


def test_a_candidate_is_measured_on_its_parents_data_set_and_a_parent_only_there(
    whole: tuple[Store, dict[str, Tells]],
) -> None:
    store, _ = whole
    kept = [each for each in store.candidates("night") if isinstance(each, KeptEntry)]
    assert {each.dataset for each in kept} == set(CONFIG.datasets)
    homes = {each.id: each.dataset for each in kept}
    for each in kept:
        assert each.dataset == slot_of_key(CONFIG, each.key).dataset
        assert homes.get(each.parent, each.dataset) == each.dataset


def test_an_arm_hears_of_its_own_trials_alone(whole: tuple[Store, dict[str, Tells]]) -> None:
    store, arms = whole
    for name, arm in arms.items():
        own = {
            each.subject
            for each in store.candidates("night")
            if slot_of_key(CONFIG, each.key).arm == name
        }
        assert {line for each in arm.asked for line in each.brief.siblings} <= own


def test_an_arm_without_budget_rests_and_the_others_go_on(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    said: list[Event] = []
    config = CONFIG.model_copy(update={"budget": Budget(tokens=100)})
    arms = run(store, evaluators, config, said.append)
    # 60 tokens an answer: the second passes the limit, and is the last.
    assert {name: len(arm.asked) for name, arm in arms.items()} == {"wider": 2, "deeper": 2}
    assert [each.arm for each in said if isinstance(each, ArmSpent)] == ["wider"]


ALONE = CONFIG.model_copy(
    update={"arms": {}, "datasets": (), "cycles": 3, "candidates": 1}, deep=True
)


def alone(store: Store, evaluators: dict[str, Evaluator], run_: str, config: RunConfig) -> str:
    """Drive a run of one arm on one data set; return why it stopped."""
    loop = Loop(
        run_, config, store, {"digits": evaluators["digits"]}, {"": Tells(run_)}, lambda _: None
    )
    return loop.drive().reason


def test_a_run_stops_where_its_target_is_reached_and_goes_on_where_it_is_raised(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    low = ALONE.model_copy(update={"stops": Stops(target=0.01), "cycles": 1})
    assert "target" in alone(store, evaluators, "night", low)
    assert store.candidates("night") == ()
    high = low.model_copy(update={"stops": Stops(target=1.0)})
    assert alone(store, evaluators, "night", high) == ""
    assert len(store.candidates("night")) == 1


def test_a_run_stops_when_all_answers_end_alike(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    class Nonsense(Tells):
        def _answer(self, request: Request) -> Proposal:
            return Proposal(answer="Sorry.", proposer=self.name, seed=request.seed)

    config = ALONE.model_copy(update={"stops": Stops(alike=2)})
    loop = Loop(
        "night",
        config,
        store,
        {"digits": evaluators["digits"]},
        {"": Nonsense("nonsense")},
        lambda _: None,
    )
    assert "2 answers in a row ended alike" in loop.drive().reason
    assert len(store.candidates("night")) == 2


def test_what_is_under_way_is_finished_when_a_run_is_asked_to_stop(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    asked: list[bool] = []
    loop = Loop(
        "night",
        ALONE,
        store,
        {"digits": evaluators["digits"]},
        {"": Tells("night")},
        notify=lambda event: asked.append(True) if isinstance(event, SlotBegun) else None,
        stop_asked=lambda: len(asked) > 1,
    )
    assert loop.drive().reason == STOPPED
    assert len(store.candidates("night")) == 1
    assert store.pending("night") == ()


def test_a_forked_run_goes_on_from_what_the_other_had_after_a_cycle(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    store.begin_run("night", {"config": ALONE.model_dump(mode="json")})
    alone(store, evaluators, "night", ALONE)
    first, second, _ = sorted(store.candidates("night"), key=lambda each: each.key.cycle)
    fork = ALONE.model_copy(
        update={"fork": Fork(run="night", cycle=1), "selection": Selection(strategy="uniform")}
    )
    alone(store, evaluators, "other", fork)
    cycles = sorted(each.key.cycle for each in store.candidates("other"))
    assert cycles == [2, 3]
    parents = {each.parent for each in store.candidates("other")}
    own = {each.id for each in store.candidates("other")}
    baselines_ = {each.id for each in store.baselines()}
    assert parents <= baselines_ | own | {first.id}
    assert second.id not in parents


def test_a_candidate_that_is_not_good_enough_is_no_parent(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    strict = ALONE.model_copy(update={"selection": Selection(min_accuracy=1.0)})
    alone(store, evaluators, "night", strict)
    baselines_ = {each.id for each in store.baselines()}
    assert {each.parent for each in store.candidates("night")} <= baselines_
