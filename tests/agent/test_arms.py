"""Runs with several arms and data sets: what is shared, what is apart, and what stops."""

from collections.abc import Callable, Sequence

import pytest

from deltanas_agent.config import Arm, Budget, Measurement, Novelty, Replication, RunConfig
from deltanas_agent.evaluator import Evaluator
from deltanas_agent.events import ArmSpent, Event
from deltanas_agent.loop import Loop
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


@pytest.fixture
def store() -> Store:
    store = Store(MemoryRepository())
    for name in ("shuffle-net", "plain-cnn"):
        store.import_baseline(name, baselines()[name])
    return store


@pytest.fixture
def evaluators(store: Store, sandbox: Sandbox, digits: Dataset) -> dict[str, Evaluator]:
    trainers = Trainers([Place(sandbox, "cpu")])
    index = NoveltyIndex(Catalogue(store), 1.0, with_parent=False)
    return {
        name: Evaluator(
            store,
            sandbox,
            digits.model_copy(update={"name": name}),
            index,
            MEASUREMENT.model_copy(update={"dataset": name}),
            trainers,
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


def test_arms_get_the_same_parents_and_seeds(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    arms = run(store, evaluators)
    wider, deeper = (
        [(each.brief.parent, each.brief.dataset, each.seed) for each in arms[name].asked]
        for name in CONFIG.arms
    )
    assert wider == deeper
    assert len(wider) == 4


def test_a_candidate_is_measured_on_its_parents_data_set_and_a_parent_only_there(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    run(store, evaluators)
    kept = [each for each in store.candidates("night") if isinstance(each, KeptEntry)]
    assert {each.dataset for each in kept} == set(CONFIG.datasets)
    homes = {each.id: each.dataset for each in kept}
    for each in kept:
        assert each.dataset == slot_of_key(CONFIG, each.key).dataset
        assert homes.get(each.parent, each.dataset) == each.dataset


def test_an_arm_hears_of_its_own_trials_alone(
    store: Store, evaluators: dict[str, Evaluator]
) -> None:
    arms = run(store, evaluators)
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
