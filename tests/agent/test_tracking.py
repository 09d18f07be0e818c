"""A run as series of numbers: one point an answer, in the order in which they ended."""

from deltanas_agent.config import Arm, RunConfig
from deltanas_agent.tracking import points
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.records import ArchitectureId, CandidateKey

PLAIN = RunConfig(cycles=2, candidates=4)


def kept(index: int, accuracy: float, dataset: str = "digits") -> KeptEntry:
    return KeptEntry(
        id=ArchitectureId(f"{index:040x}"),
        key=CandidateKey(run="night", cycle=1, index=index),
        made=1000 + index,
        parent=ArchitectureId("b" * 40),
        subject="Widen the stem",
        proposer="mutation",
        seconds=2.0,
        tokens=50,
        dataset=dataset,
        epochs=1,
        seed=42,
        accuracy=accuracy,
        parent_accuracy=0.5,
        num_params=1000,
        similarity=0.5,
    )


def rejected(index: int) -> RejectedEntry:
    return RejectedEntry(
        id=ArchitectureId(f"{index:040x}"),
        key=CandidateKey(run="night", cycle=1, index=index),
        made=1000 + index,
        parent=ArchitectureId("b" * 40),
        subject="Widen the stem",
        proposer="mutation",
        seconds=2.0,
        tokens=50,
        stage="build",
        code="crash",
    )


def test_every_answer_is_a_point_in_the_order_of_their_ends() -> None:
    found = points(PLAIN, [kept(3, 0.6), rejected(1), kept(2, 0.7)])
    assert [(each.step, each.seconds) for each in found] == [(1, 1001), (2, 1002), (3, 1003)]
    assert "accuracy" not in found[0].values


def test_the_best_so_far_never_falls() -> None:
    found = points(PLAIN, [kept(1, 0.6), kept(2, 0.8), kept(3, 0.7)])
    assert [each.values["best"] for each in found] == [0.6, 0.8, 0.8]


def test_counts_go_on_over_all_answers() -> None:
    found = points(PLAIN, [kept(1, 0.4), rejected(2), kept(3, 0.7)])
    assert [each.values["so_far/kept"] for each in found] == [1, 1, 2]
    assert [each.values["so_far/improved"] for each in found] == [0, 0, 1]
    assert found[-1].values["so_far/tokens"] == 150


def test_arms_and_data_sets_have_series_of_their_own() -> None:
    config = RunConfig(
        cycles=1, candidates=4, arms={"a": Arm(), "b": Arm()}, datasets=("digits", "mnist")
    )
    found = points(config, [kept(1, 0.6), kept(2, 0.7), kept(3, 0.9, "mnist")])
    assert [[name for name in each.values if name.endswith("best")] for each in found] == [
        ["a/digits/best"],
        ["b/digits/best"],
        ["a/mnist/best"],
    ]


def test_points_stay_as_they_are_when_more_answers_end() -> None:
    first: list[KeptEntry | RejectedEntry] = [kept(1, 0.6), rejected(2)]
    assert points(PLAIN, [*first, kept(3, 0.9)])[:2] == points(PLAIN, first)
