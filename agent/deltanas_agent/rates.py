"""How far answers come: the funnel from answered to improved, first tries and retries apart."""

import math
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import Field

from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.records import Proposal, Record, Stage

Count = Annotated[int, Field(ge=0)]

STEPS = ("answered", "applied", "ran", "effective", "novel", "trained", "improved")
"""Steps of the funnel; each is reached by those that reached the one before it, and not all."""

REACHED: dict[Stage, int] = {
    "patch": 0,
    "interface": 1,
    "build": 1,
    "effective": 2,
    "novelty": 3,
    "train": 4,
}
"""The last step that an answer reached on which this gate closed."""

Z_95 = 1.959964
"""Of the standard normal distribution, for a two-sided interval of 95 %."""


class Funnel(Record):
    """How many answers reached each step."""

    answered: Count = 0
    applied: Count = 0
    """Made a text of their parent: the gate ``patch`` was open."""
    ran: Count = 0
    """Had the interface, were built and ran forward."""
    effective: Count = 0
    """Computed something else than their parent."""
    novel: Count = 0
    """Were unlike all that the store had."""
    trained: Count = 0
    improved: Count = 0
    """Were better than their parent beyond the noise floor."""

    @classmethod
    def of(cls, reached: Iterable[int]) -> "Funnel":
        """Count from the last step that each answer reached, as an index of `STEPS`."""
        last = list(reached)
        return cls(**{step: sum(at <= each for each in last) for at, step in enumerate(STEPS)})


class Rates(Record):
    """The funnel of a run, twice: of first answers alone, and of candidates with their retries."""

    first: Funnel
    """Of first answers."""
    with_retries: Funnel
    """Of candidates, each by the answer that came farthest."""


class Cost(Record):
    """What answers took, on the average."""

    answers: Count
    input_tokens: float
    output_tokens: float
    output_lines: float

    @classmethod
    def of(cls, proposals: Sequence[Proposal]) -> "Cost":
        """Return the means over some answers; zeros over none."""
        count = max(len(proposals), 1)
        return cls(
            answers=len(proposals),
            input_tokens=sum(each.input_tokens for each in proposals) / count,
            output_tokens=sum(each.output_tokens for each in proposals) / count,
            output_lines=sum(each.output_lines for each in proposals) / count,
        )


def rates(candidates: Iterable[KeptEntry | RejectedEntry]) -> Rates:
    """Return how far the answers of a run came."""
    first: list[int] = []
    farthest: dict[tuple[str, int, int], int] = {}
    for entry in candidates:
        reached = _reached(entry)
        slot = (entry.key.run, entry.key.cycle, entry.key.index)
        farthest[slot] = max(farthest.get(slot, 0), reached)
        if entry.key.attempt == 1:
            first.append(reached)
    return Rates(first=Funnel.of(first), with_retries=Funnel.of(farthest.values()))


def _reached(entry: KeptEntry | RejectedEntry) -> int:
    if isinstance(entry, RejectedEntry):
        return REACHED[entry.stage]
    return STEPS.index("improved" if entry.improved else "trained")


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a share; (0, 1) where nothing was tried.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference" (1927).
    """
    if trials == 0:
        return 0.0, 1.0
    share, square = successes / trials, Z_95**2
    middle = (share + square / (2 * trials)) / (1 + square / trials)
    spread = math.sqrt(share * (1 - share) / trials + square / (4 * trials**2))
    reach = Z_95 * spread / (1 + square / trials)
    return max(middle - reach, 0.0), min(middle + reach, 1.0)
