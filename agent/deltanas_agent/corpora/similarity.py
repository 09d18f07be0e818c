"""How near sources are to each other: each is shingled once, and compared exactly."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from deltanas_tools.novelty_check.ideas import idea_digest, lines_of
from deltanas_tools.novelty_check.shingles import hashes_of, jaccard, shingles
from deltanas_tools.novelty_check.signatures import estimate_jaccard, signature_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MARGIN = 0.10
"""How far an estimate may be wrong: over three standard errors at 0.9."""


class Similarity:
    """Jaccard similarities of the token shingles of sources."""

    def __init__(self) -> None:
        self._hashes: dict[str, NDArray[np.uint64]] = {}

    def __call__(self, one: str, other: str) -> float:
        """Return the similarity of two sources.

        Raises:
            BuildError: one of them is not Python.
        """
        return jaccard(self._hashes_of(one), self._hashes_of(other))

    def related(self, sources: Sequence[str], threshold: float) -> Iterator[tuple[str, str]]:
        """Yield the pairs of sources at the threshold or above.

        Raises:
            BuildError: one of them is not Python.
        """
        if not sources:
            return
        signatures = np.stack([signature_of(self._hashes_of(each)) for each in sources])
        for at in range(len(sources) - 1):
            estimates = estimate_jaccard(signatures[at], signatures[at + 1 :])
            for step in np.flatnonzero(estimates >= threshold - MARGIN).tolist():
                one, other = sources[at], sources[at + 1 + step]
                if self(one, other) >= threshold:
                    yield one, other

    def _hashes_of(self, source: str) -> "NDArray[np.uint64]":
        if source not in self._hashes:
            self._hashes[source] = hashes_of(shingles(source))
        return self._hashes[source]


def delta_key(parent: str, child: str) -> str:
    """Return what a delta takes out and puts in, white space, order and comments apart."""
    return idea_digest(lines_of(parent), lines_of(child))
