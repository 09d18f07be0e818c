"""The leaderboard: a mean is one of measurements that can be compared."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltanas_repo_store.bulk import import_baselines
from deltanas_repo_store.layout import BASELINE_TIME
from deltanas_repo_store.queries import Standing, Wanted, leaderboard, newest
from deltanas_repo_store.records import Evaluation
from deltanas_repo_store.reported import NewBaseline, Reported, ReportedTrial
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from tests.records_for_tests import CHILD, PARENT, evaluation, kept, pending, rejected


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


# Filters, against the same questions asked the long way

ACCURACIES = st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9])
MEASURED = st.tuples(
    ACCURACIES,
    st.sampled_from([10, 20, 20, 30, 1000]),
    st.sampled_from(["digits", "mnist"]),
    st.sampled_from(["search", "test"]),
    st.sampled_from([None, "night", "day"]),
)


def filled(measured: list[tuple[float, int, str, str, str | None]]) -> Store:
    """A store with a baseline or a candidate for each measurement."""
    store = Store(MemoryRepository())
    parent = store.import_baseline("parent", PARENT)
    for number, (accuracy, num_params, dataset, split, run) in enumerate(measured, 1):
        facts = {"num_params": num_params, "split": split}
        result = evaluation(accuracy, dataset=dataset).model_copy(update=facts)
        if run is None:
            store.add_evaluation(store.import_baseline(f"b{number}", PARENT), result)
            continue
        begun = pending(parent, run=run, index=number)
        store.reserve(begun)
        store.finish(kept(begun).model_copy(update={"evaluation": result}))
    return store


def beaten(one: Standing, others: Iterable[Standing]) -> bool:
    """Whether another is as accurate with as few parameters, and better in one of them."""
    assert one.num_params is not None
    return any(
        other.task == one.task
        and other.num_params is not None
        and other.accuracy >= one.accuracy
        and other.num_params <= one.num_params
        and (other.accuracy > one.accuracy or other.num_params < one.num_params)
        for other in others
    )


@settings(max_examples=60)
@given(
    measured=st.lists(MEASURED, max_size=12),
    dataset=st.sampled_from([None, "digits", "none"]),
    split=st.sampled_from([None, "search", "test"]),
    run=st.sampled_from([None, "night", "none"]),
    max_params=st.sampled_from([None, 5, 20, 30]),
)
def test_filters_leave_what_they_say(
    measured: list[tuple[float, int, str, str, str | None]],
    dataset: str | None,
    split: Literal["search", "test"] | None,
    run: str | None,
    max_params: int | None,
) -> None:
    store = filled(measured)
    all_rows = leaderboard(store, Wanted(limit=1000))
    wanted = Wanted(dataset=dataset, split=split, run=run, max_params=max_params, limit=1000)
    expected = [
        row
        for row in all_rows
        if dataset in (None, row.dataset)
        and (split is None or f"-{split}-" in row.task)
        and (run is None or "/" not in row.name or row.name.startswith(f"{run}/"))
        and (max_params is None or (row.num_params or 0) <= max_params)
    ]
    assert list(leaderboard(store, wanted)) == expected
    front = leaderboard(store, wanted.model_copy(update={"pareto": True}))
    unbeaten = [row for row in expected if not beaten(row, expected)]
    places = {(row.task, row.accuracy, row.num_params) for row in unbeaten}
    assert [(row.task, row.accuracy, row.num_params) for row in front] == sorted(
        places, key=lambda place: (place[0], -place[1])
    )
    assert set(front) <= set(unbeaten)


@given(measured=st.lists(MEASURED, min_size=1, max_size=9), limit=st.integers(1, 4))
@settings(max_examples=30)
def test_each_task_has_its_best_up_to_the_limit(
    measured: list[tuple[float, int, str, str, str | None]], limit: int
) -> None:
    store = filled(measured)
    rows = leaderboard(store, Wanted(limit=1000))
    tasks = sorted({row.task for row in rows})
    best = [row for task in tasks for row in [r for r in rows if r.task == task][:limit]]
    assert list(leaderboard(store, Wanted(limit=limit))) == best
    for task in tasks:
        accuracies = [row.accuracy for row in rows if row.task == task]
        assert accuracies == sorted(accuracies, reverse=True)


def test_what_others_report_stands_apart() -> None:
    store = filled([(0.5, 10, "digits", "search", None)])
    trial = ReportedTrial(
        dataset="digits",
        epochs=1,
        transform="norm",
        accuracy=0.99,
        seconds=1.0,
        hparams={},
        id="1",
    )
    report = Reported(source="lemur", package="p", network="n", trials=(trial,))
    import_baselines(store, [NewBaseline(name="theirs", architecture=CHILD, reported=(report,))])
    assert [row.name for row in leaderboard(store)] == ["b1"]
    [row] = leaderboard(store, Wanted(source="lemur"))
    assert (row.name, row.accuracy, row.num_params) == ("theirs", 0.99, None)
    assert leaderboard(store, Wanted(source="lemur", max_params=10**9)) == ()
    assert leaderboard(store, Wanted(source="lemur", pareto=True)) == ()


def test_the_newest_come_first() -> None:
    times = iter(range(1, 100))
    store = Store(MemoryRepository(), clock=lambda: BASELINE_TIME + timedelta(days=next(times)))
    parent = store.import_baseline("parent", PARENT)
    for index, run in enumerate(["night", "day", "night", "day"], 1):
        begun = pending(parent, run=run, index=index)
        store.reserve(begun)
        store.finish(kept(begun) if index != 3 else rejected(begun))
    everything = ["day/c01-004", "night/c01-003", "day/c01-002", "night/c01-001", "parent"]
    assert [each.name for each in newest(store)] == everything
    assert [each.name for each in newest(store, limit=2)] == everything[:2]
    assert [each.name for each in newest(store, run="night")] == ["night/c01-003", "night/c01-001"]
    assert [each.name for each in newest(store, status="rejected")] == ["night/c01-003"]
    assert [each.name for each in newest(store, run="day", status="kept", limit=1)] == [
        "day/c01-004"
    ]
    assert newest(store, run="none") == ()
