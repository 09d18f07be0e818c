"""Where a run of lines stands in a text if it is there only once."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Anchors:
    """For each line of a text, how far one must read on from it to know that it is this one."""

    ends: tuple[int, ...]
    """The first e for which the lines i to e (not included) stand in the text only once; n + 1
    where there is none, and for i = n. They never fall from one i to the next."""

    @classmethod
    def of(cls, lines: Sequence[str]) -> "Anchors":
        """Find them, in O(n log² n)."""
        size = len(lines)
        order, rank = _sorted_suffixes(lines)
        shared = _shared_with_previous(lines, order, rank)
        longest = [
            max(shared[rank[at]], shared[rank[at] + 1] if rank[at] + 1 < size else 0)
            for at in range(size)
        ]
        # A suffix that is the beginning of another one is nowhere alone.
        return cls((*(min(at + longest[at] + 1, size + 1) for at in range(size)), size + 1))

    def latest_start(self, end: int) -> int | None:
        """Return the last line from which the lines up to ``end`` stand in the text only once."""
        start = bisect_right(self.ends, end) - 1
        return None if start < 0 else start


def _sorted_suffixes(lines: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return where the suffixes begin, in order, and the place of each in that order.

    Source: Manber and Myers, "Suffix Arrays: A New Method for On-Line String Searches" (1993),
    section 3, by sorting anew for each length.
    """
    size = len(lines)
    number = {line: each for each, line in enumerate(sorted(set(lines)))}
    rank = [number[line] for line in lines]
    order = sorted(range(size), key=rank.__getitem__)
    length = 1
    while length < size and rank[order[-1]] < size - 1:
        padded = [*rank, *[-1] * length]
        keys = [(rank[at], padded[at + length]) for at in range(size)]
        order.sort(key=keys.__getitem__)
        for at, previous in zip(order[1:], order, strict=False):
            rank[at] = rank[previous] + (keys[at] != keys[previous])
        length *= 2
    return order, rank


def _shared_with_previous(
    lines: Sequence[str], order: Sequence[int], rank: Sequence[int]
) -> list[int]:
    """Return how many lines each sorted suffix begins with that the one before it has too.

    Source: Kasai et al., "Linear-Time Longest-Common-Prefix Computation in Suffix Arrays" (2001).
    """
    size = len(lines)
    shared = [0] * size
    length = 0
    for at in range(size):
        if rank[at] == 0:
            length = 0
            continue
        other = order[rank[at] - 1]
        while max(at, other) + length < size and lines[at + length] == lines[other + length]:
            length += 1
        shared[rank[at]] = length
        length = max(length - 1, 0)
    return shared
