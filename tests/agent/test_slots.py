"""Places in a run: every arm and every data set has as many, and arms share their turns."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from deltanas_agent.config import Arm, RunConfig
from deltanas_agent.slots import slot_of

NAMES = ("cifar-10", "mnist", "svhn")


def config(arms: int, datasets: int, cycles: int = 3, candidates: int = 6) -> RunConfig:
    return RunConfig(
        cycles=cycles,
        candidates=candidates,
        arms={f"arm{number}": Arm() for number in range(arms)},
        datasets=NAMES[:datasets],
    )


def test_a_run_without_arms_or_data_sets_has_turns_alone() -> None:
    plain = RunConfig(cycles=2, candidates=3)
    slot = slot_of(plain, 2, 3)
    assert (slot.arm, slot.turn, slot.dataset, slot.place) == ("", 3, "digits", 6)


@given(arms=st.integers(1, 3), datasets=st.integers(1, 3))
def test_every_arm_has_as_many_candidates_of_each_data_set(arms: int, datasets: int) -> None:
    asked = config(arms, datasets)
    counts = Counter(
        (slot.arm, slot.dataset)
        for cycle in range(1, asked.cycles + 1)
        for slot in (slot_of(asked, cycle, index) for index in range(1, asked.slots + 1))
    )
    assert len(counts) == arms * datasets
    assert len(set(counts.values())) == 1


def test_data_sets_stay_balanced_where_a_cycle_is_no_multiple_of_them() -> None:
    asked = config(1, 3, cycles=3, candidates=4)
    counts = Counter(
        slot_of(asked, cycle, index).dataset for cycle in (1, 2, 3) for index in range(1, 5)
    )
    assert set(counts.values()) == {4}


def test_arms_take_the_same_turn_one_after_the_other() -> None:
    asked = config(2, 3)
    first, second, third = (slot_of(asked, 1, index) for index in (1, 2, 3))
    assert (first.arm, second.arm) == ("arm0", "arm1")
    assert (first.turn, first.dataset, first.place) == (second.turn, second.dataset, second.place)
    assert third.turn == 2


def test_a_data_set_that_stands_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="twice"):
        RunConfig(datasets=("mnist", "mnist"))


def test_an_arm_behind_a_server_must_say_which() -> None:
    with pytest.raises(ValidationError, match="base_url"):
        Arm(proposer="openai")
