"""How sure a number is: intervals of shares and of means, and what they allow to conclude."""

from collections.abc import Hashable, Sequence
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from deltanas_agent.rates import wilson
from deltanas_repo_store.records import Record

NUM_RESAMPLES = 2000
"""Enough that the ends of a 95 % interval move by a few per cent of its width."""
MIN_GROUPS = 5
"""Of fewer groups a bootstrap interval is far too narrow, so that there is none."""
_SEED = 42


class Estimate(Record):
    """A number and its 95 % interval."""

    value: float
    low: float
    high: float
    num: int
    """How many measurements or trials it comes from."""


def share(count: int, of: int) -> Estimate:
    """Return a share with its interval (Wilson)."""
    low, high = wilson(count, of)
    return Estimate(value=count / of if of else 0.0, low=low, high=high, num=of)


def mean_by_group(values: Sequence[float], groups: Sequence[Hashable]) -> Estimate | None:
    """Return a mean with its bootstrap interval; None of fewer than `MIN_GROUPS` groups.

    Whole groups are drawn, with replacement: the children of one parent resemble each other, and
    drawn one by one they would seem to say more than they do.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 3.8.
    """
    sums: dict[Hashable, list[float]] = {}
    for value, group in zip(values, groups, strict=True):
        sums.setdefault(group, []).append(value)
    numerators = np.array([sum(each) for each in sums.values()])
    sizes = np.array([len(each) for each in sums.values()], dtype=float)
    return ratio(numerators, sizes, num=len(values))


def ratio(
    numerators: NDArray[np.float64], denominators: NDArray[np.float64], *, num: int
) -> Estimate | None:
    """Return a ratio of two sums over groups, with its percentile bootstrap interval."""
    if len(numerators) < MIN_GROUPS:
        return None
    rng = np.random.default_rng(_SEED)
    drawn = rng.integers(0, len(numerators), size=(NUM_RESAMPLES, len(numerators)))
    values = numerators[drawn].sum(axis=1) / denominators[drawn].sum(axis=1)
    low, high = np.quantile(values, [0.025, 0.975])
    value = numerators.sum() / denominators.sum()
    return Estimate(value=float(value), low=float(low), high=float(high), num=num)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the lower quartile, the median and the upper quartile."""
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return float(low), float(middle), float(high)


class Pair(Record):
    """What two estimates allow to say of each other."""

    verdict: Literal["above", "below", "open"]
    first: str
    second: str


def compare(estimates: Sequence[tuple[str, Estimate]]) -> tuple[Pair, ...]:
    """Compare every two estimates; overlapping intervals leave it open.

    That two intervals of 95 % do not overlap asks for more than a difference that is significant
    at 5 %: pairs that are left open may differ all the same.
    """
    return tuple(
        Pair(
            verdict="above" if a.low > b.high else "below" if b.low > a.high else "open",
            first=first,
            second=second,
        )
        for (first, a), (second, b) in combinations(estimates, 2)
    )
