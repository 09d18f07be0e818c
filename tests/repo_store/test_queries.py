"""The leaderboard: a mean is one of measurements that can be compared."""

import pytest

from deltanas_repo_store.queries import Wanted, leaderboard
from deltanas_repo_store.records import Evaluation
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from tests.records_for_tests import PARENT, evaluation, kept, pending


@pytest.fixture
def store() -> Store:
    return Store(MemoryRepository())


def measured(store: Store, *evaluations: Evaluation) -> None:
    baseline = store.import_baseline("small", PARENT)
    for each in evaluations:
        store.add_evaluation(baseline, each)


def test_seeds_are_averaged(store: Store) -> None:
    measured(store, evaluation(0.8, seed=1), evaluation(0.9, seed=2))
    [row] = leaderboard(store)
    assert row.accuracy == pytest.approx(0.85)
    assert row.num_seeds == 2


@pytest.mark.parametrize(
    "other",
    [
        {"transform": "norm_32_flip"},
        {"split": "test"},
        {"epochs": 5},
        {"budget_seconds": 60.0},
        {"device": "cuda:1"},
        {"precision": "bf16"},
        {"channels_last": True},
    ],
    ids=str,
)
def test_what_was_measured_otherwise_stands_apart(store: Store, other: dict[str, object]) -> None:
    measured(store, evaluation(0.8), evaluation(0.9).model_copy(update=other))
    rows = leaderboard(store)
    assert [row.num_seeds for row in rows] == [1, 1]
    assert len({row.title for row in rows}) == 2


def test_two_gpus_are_one_kind_of_device(store: Store) -> None:
    on_gpus = [
        evaluation(0.8, seed=seed).model_copy(update={"device": f"cuda:{seed}"}) for seed in (0, 1)
    ]
    measured(store, *on_gpus)
    assert [row.num_seeds for row in leaderboard(store)] == [2]


def test_the_test_split_can_be_left_out(store: Store) -> None:
    measured(store, evaluation(0.8), evaluation(0.9).model_copy(update={"split": "test"}))
    assert [row.accuracy for row in leaderboard(store, Wanted(split="search"))] == [0.8]


def test_a_candidate_has_its_gain_where_it_was_made(store: Store) -> None:
    baseline = store.import_baseline("small", PARENT)
    store.begin_run("night", {})
    begun = pending(baseline)
    store.reserve(begun)
    made = store.finish(kept(begun, accuracy=0.9123456789))
    store.add_evaluation(made, evaluation(0.95).model_copy(update={"epochs": 50}))
    gains = {row.task: row.gain for row in leaderboard(store)}
    assert gains == {
        "digits-search-e1": pytest.approx(0.062346),
        "digits-search-e50": None,
    }
