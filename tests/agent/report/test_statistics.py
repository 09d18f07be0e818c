"""Intervals: what they cover, and what they allow to say."""

import random

from hypothesis import given
from hypothesis import strategies as st

from deltanas_agent.report.statistics import Estimate, compare, mean_by_group, share

FRACTIONS = st.floats(0, 1)


def estimate(low: float, high: float) -> Estimate:
    return Estimate(value=(low + high) / 2, low=low, high=high, num=10)


def test_intervals_that_overlap_leave_open_which_is_better() -> None:
    [pair] = compare([("a", estimate(0.1, 0.5)), ("b", estimate(0.5, 0.9))])
    assert pair.verdict == "open"


def test_intervals_apart_say_which_is_above() -> None:
    pairs = compare([("a", estimate(0.6, 0.7)), ("b", estimate(0.1, 0.5))])
    assert [(each.first, each.verdict, each.second) for each in pairs] == [("a", "above", "b")]


def test_every_two_are_compared() -> None:
    pairs = compare([(name, estimate(0.1, 0.2)) for name in "abcd"])
    assert len(pairs) == 6


def test_a_share_of_nothing_can_be_anything() -> None:
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)


def test_fewer_than_five_groups_have_no_interval() -> None:
    assert mean_by_group([0.1] * 40, [at % 4 for at in range(40)]) is None


@given(st.lists(FRACTIONS, min_size=5, max_size=30))
def test_a_mean_lies_within_the_values_and_its_interval_too(values: list[float]) -> None:
    found = mean_by_group(values, range(len(values)))
    assert found is not None
    slack = 1e-9
    assert min(values) - slack <= found.low <= found.high <= max(values) + slack


def test_values_that_resemble_each_other_in_groups_are_less_sure() -> None:
    rng = random.Random(1)
    means = [rng.random() for _ in range(8)]
    values = [mean + rng.gauss(0, 0.01) for mean in means for _ in range(25)]
    grouped = mean_by_group(values, [at // 25 for at in range(200)])
    alone = mean_by_group(values, range(200))
    assert grouped is not None
    assert alone is not None
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


def test_about_95_of_100_intervals_hold_the_true_mean() -> None:
    rng = random.Random(2)
    found = [mean_by_group([rng.gauss(0.5, 0.1) for _ in range(40)], range(40)) for _ in range(200)]
    held = sum(each is not None and each.low <= 0.5 <= each.high for each in found)
    assert 178 <= held <= 199


def test_the_same_values_have_the_same_interval() -> None:
    values = [0.1, 0.5, 0.2, 0.9, 0.3, 0.4]
    assert mean_by_group(values, range(6)) == mean_by_group(values, range(6))
