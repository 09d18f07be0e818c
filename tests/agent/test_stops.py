"""Stops: enough was found, nothing is found any more, or something is broken."""

import pytest

from deltanas_agent.config import Stops
from deltanas_agent.selection import Member
from deltanas_agent.stops import Streak, reason_to_stop
from deltanas_repo_store.records import ArchitectureId, Rejection


def member(accuracy: float, cycle: int) -> Member:
    name = f"{accuracy}-{cycle}"
    return Member(ArchitectureId("0" * 40), name, accuracy, cycle=cycle, place=max(cycle, 1))


RISING = {"digits": [member(0.5, 0), member(0.6, 1), member(0.7, 2)]}
FLAT = {"digits": [member(0.7, 0), member(0.6, 1), member(0.7, 2), member(0.5, 3)]}


def test_without_stops_a_run_goes_on() -> None:
    assert reason_to_stop(Stops(), FLAT, before=100) == ""


@pytest.mark.parametrize(("target", "stops"), [(0.7, True), (0.71, False)])
def test_a_target_that_is_reached_is_enough(target: float, stops: bool) -> None:
    assert bool(reason_to_stop(Stops(target=target), RISING, before=3)) == stops


def test_a_target_has_to_be_reached_on_every_data_set() -> None:
    both = {**RISING, "mnist": [member(0.4, 0)]}
    assert reason_to_stop(Stops(target=0.6), both, before=3) == ""


def test_a_run_that_becomes_no_better_stops() -> None:
    assert "in 3 cycles" in reason_to_stop(Stops(patience=3), FLAT, before=4)


def test_a_run_that_became_better_of_late_goes_on() -> None:
    assert reason_to_stop(Stops(patience=1), RISING, before=3) == ""


def test_patience_begins_with_the_run() -> None:
    assert reason_to_stop(Stops(patience=3), FLAT, before=3) == ""


def test_one_data_set_that_becomes_better_is_reason_to_go_on() -> None:
    both = {**FLAT, "mnist": [member(0.4, 0), member(0.5, 3)]}
    assert reason_to_stop(Stops(patience=3), both, before=4) == ""


CRASH = Rejection(stage="build", code="crash", message="x")
NAN = Rejection(stage="train", code="nan", message="x")


def reasons(stops: Stops, *endings: Rejection | None) -> list[bool]:
    streak = Streak(stops)
    return [bool(streak.add(each)) for each in endings]


def test_so_many_failures_of_one_kind_in_a_row_are_too_many() -> None:
    assert reasons(Stops(alike=3), CRASH, CRASH, CRASH, CRASH) == [False, False, True, True]


@pytest.mark.parametrize("between", [None, NAN], ids=["a kept one", "another failure"])
def test_anything_else_in_between_begins_the_count_anew(between: Rejection | None) -> None:
    assert not any(reasons(Stops(alike=3), CRASH, CRASH, between, CRASH, CRASH))


def test_kept_ones_are_no_failures() -> None:
    assert not any(reasons(Stops(alike=2), None, None, None))


def test_failures_can_be_allowed_without_end() -> None:
    assert not any(reasons(Stops(alike=None), *[CRASH] * 500))
