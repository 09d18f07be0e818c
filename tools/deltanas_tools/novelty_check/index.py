"""The index: digests and signatures of the store's architectures, brought up to date on use.

A cache and nothing more: it is made from the store, and never consulted about what the store
does not have. Signatures only say where to look; what a report says is exact.
"""

import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from deltanas_repo_store.entries import Entry, RejectedEntry
from deltanas_repo_store.errors import BuildError
from deltanas_repo_store.records import Architecture, ArchitectureId, NoveltyReport
from deltanas_tools.novelty_check.shingles import hashes_of, jaccard, shingles
from deltanas_tools.novelty_check.signatures import SignatureTable, signature_of
from deltanas_tools.novelty_check.twins import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

THRESHOLD = 0.90
"""Similarity from which a network counts as a near-duplicate (the paper, section 3)."""

MARGIN = 0.10
"""How far an estimate may be wrong: over three standard errors at the threshold."""

MAX_VERIFIED = 16
"""How many of the nearest by estimate are compared exactly, at most."""

MAX_RECENT = 512
"""Sets of hashes that are kept: 5 kB each for sources of 80 lines."""


class ArchitectureReader(Protocol):
    """The part of the store that this operation reads."""

    def entries(self, run: str | None = None) -> tuple[Entry, ...]:
        """Return what the store lists."""
        ...

    def get(self, architecture_id: ArchitectureId) -> Architecture:
        """Return an architecture."""
        ...


@dataclass(frozen=True)
class _Fingerprint:
    digest: bytes
    hashes: "NDArray[np.uint64]"


@lru_cache(maxsize=8)  # one candidate is checked, compared with those in training, and trained
def _fingerprint(source: str) -> _Fingerprint:
    return _Fingerprint(bytes.fromhex(digest(source)), hashes_of(shingles(source)))


@dataclass
class NoveltyIndex:
    """Compares sources with every architecture of a store.

    What counts: baselines, kept candidates, and those whose training failed, which nobody
    wants to pay for twice. Candidates that an earlier gate closed on do not.
    """

    store: ArchitectureReader
    threshold: float = THRESHOLD
    _known: set[ArchitectureId] = field(default_factory=set)
    _ids: list[ArchitectureId] = field(default_factory=list)
    """By row of the signatures; what no parser reads has none."""
    _signatures: SignatureTable = field(default_factory=SignatureTable)
    _twins: dict[bytes, tuple[ArchitectureId, ...]] = field(default_factory=dict)
    _recent: "OrderedDict[ArchitectureId, NDArray[np.uint64]]" = field(default_factory=OrderedDict)
    _under_way: dict[str, _Fingerprint] = field(default_factory=dict)

    def check(self, source: str, *, leave_out: ArchitectureId | None = None) -> NoveltyReport:
        """Return the nearest architecture and whether it is too near.

        ``leave_out`` is the architecture itself, where it is in the store already.

        Raises:
            BuildError: the source is not Python.
        """
        mine = _fingerprint(source)
        self._refresh()
        nearest, similarity = self._nearest(mine, leave_out)
        twins = (each for each in self._twins.get(mine.digest, ()) if each != leave_out)
        return NoveltyReport(
            similarity=similarity,
            nearest=nearest,
            exact_duplicate_of=next(twins, None),
            threshold=self.threshold,
        )

    def begin(self, name: str, source: str) -> None:
        """Note a network that is being trained, and is not in the store as yet."""
        self._under_way[name] = _fingerprint(source)

    def end(self, name: str) -> None:
        """Forget a network that was being trained: the store has it now, or never will."""
        self._under_way.pop(name, None)

    def has_nearer_under_way(self, source: str, report: NoveltyReport) -> bool:
        """Say whether a network in training would change the ``report`` of ``source``."""
        mine = _fingerprint(source)
        return any(
            other.digest == mine.digest or jaccard(mine.hashes, other.hashes) > report.similarity
            for other in self._under_way.values()
        )

    def _nearest(
        self, mine: _Fingerprint, leave_out: ArchitectureId | None
    ) -> tuple[ArchitectureId | None, float]:
        """Return the nearest architecture, of equals the earliest, and its exact similarity."""
        rows, estimates = self._signatures.ranked(signature_of(mine.hashes))
        ranking = zip(rows[: MAX_VERIFIED + 1].tolist(), estimates.tolist(), strict=False)
        others = [(row, near) for row, near in ranking if self._ids[row] != leave_out]
        nearest, similarity = None, 0.0
        for row, estimate in others[:MAX_VERIFIED]:
            if estimate < similarity - MARGIN:
                break
            exact = jaccard(mine.hashes, self._hashes_of(self._ids[row]))
            if nearest is None or (exact, -row) > (similarity, -nearest):
                nearest, similarity = row, exact
        return (None if nearest is None else self._ids[nearest]), similarity

    def _hashes_of(self, architecture_id: ArchitectureId) -> "NDArray[np.uint64]":
        """Return the hashes of an architecture, made anew unless they were used of late."""
        if architecture_id in self._recent:
            self._recent.move_to_end(architecture_id)
        else:
            source = self.store.get(architecture_id).source
            self._remember(architecture_id, hashes_of(shingles(source)))
        return self._recent[architecture_id]

    def _remember(self, architecture_id: ArchitectureId, hashes: "NDArray[np.uint64]") -> None:
        self._recent[architecture_id] = hashes
        if len(self._recent) > MAX_RECENT:
            self._recent.popitem(last=False)

    def _refresh(self) -> None:
        for entry in self.store.entries():
            if entry.id in self._known or (
                isinstance(entry, RejectedEntry) and entry.stage != "train"
            ):
                continue
            source = self.store.get(entry.id).source
            self._known.add(entry.id)
            try:
                self._add(entry.id, _fingerprint(source))
            except BuildError:
                # A baseline that no parser reads is near to nothing.
                logger.warning("architecture left out of the novelty index", extra={"id": entry.id})

    def _add(self, architecture_id: ArchitectureId, found: _Fingerprint) -> None:
        self._ids.append(architecture_id)
        self._signatures.add(signature_of(found.hashes))
        self._twins[found.digest] = (*self._twins.get(found.digest, ()), architecture_id)
        self._remember(architecture_id, found.hashes)
