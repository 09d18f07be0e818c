"""The index: digests and signatures of the store's architectures, brought up to date on use.

A cache and nothing more: it is made from the store, and never consulted about what the store
does not have.
"""

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from deltanas_repo_store.entries import Entry, RejectedEntry
from deltanas_repo_store.errors import BuildError
from deltanas_repo_store.records import Architecture, ArchitectureId, NoveltyReport
from deltanas_tools.novelty_check.shingles import estimate_jaccard, signature
from deltanas_tools.novelty_check.twins import digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

THRESHOLD = 0.90
"""Similarity from which a network counts as a near-duplicate (the paper, section 3)."""


class ArchitectureReader(Protocol):
    """The part of the store that this operation reads."""

    def entries(self, run: str | None = None) -> tuple[Entry, ...]:
        """Return what the store lists."""
        ...

    def get(self, architecture_id: ArchitectureId) -> Architecture:
        """Return an architecture."""
        ...


@dataclass(frozen=True)
class _Known:
    digest: str
    signature: "NDArray[np.uint64]"


@dataclass
class NoveltyIndex:
    """Compares sources with every architecture of a store.

    What counts: baselines, kept candidates, and those whose training failed, which nobody
    wants to pay for twice. Candidates that an earlier gate closed on do not.
    """

    store: ArchitectureReader
    threshold: float = THRESHOLD
    _known: dict[ArchitectureId, _Known | None] = field(default_factory=dict)
    _under_way: dict[str, _Known] = field(default_factory=dict)

    def check(self, source: str, *, leave_out: ArchitectureId | None = None) -> NoveltyReport:
        """Return the nearest architecture and whether it is too near.

        ``leave_out`` is the architecture itself, where it is in the store already.

        Raises:
            BuildError: the source is not Python.
        """
        mine = _Known(digest(source), signature(source))
        self._refresh()
        nearest, similarity, twin = None, 0.0, None
        for architecture_id, known in self._known.items():
            if known is None or architecture_id == leave_out:
                continue
            if known.digest == mine.digest and twin is None:
                twin = architecture_id
            near = estimate_jaccard(mine.signature, known.signature)
            if nearest is None or near > similarity:
                nearest, similarity = architecture_id, near
        return NoveltyReport(
            similarity=similarity,
            nearest=nearest,
            exact_duplicate_of=twin,
            threshold=self.threshold,
        )

    def begin(self, name: str, source: str) -> None:
        """Note a network that is being trained, and is not in the store as yet."""
        self._under_way[name] = _Known(digest(source), signature(source))

    def end(self, name: str) -> None:
        """Forget a network that was being trained: the store has it now, or never will."""
        self._under_way.pop(name, None)

    def has_nearer_under_way(self, source: str, report: NoveltyReport) -> bool:
        """Say whether a network in training would change the ``report`` of ``source``."""
        mine = _Known(digest(source), signature(source))
        return any(
            other.digest == mine.digest
            or estimate_jaccard(mine.signature, other.signature) > report.similarity
            for other in self._under_way.values()
        )

    def _refresh(self) -> None:
        for entry in self.store.entries():
            if entry.id in self._known or (
                isinstance(entry, RejectedEntry) and entry.stage != "train"
            ):
                continue
            source = self.store.get(entry.id).source
            try:
                self._known[entry.id] = _Known(digest(source), signature(source))
            except BuildError:
                # A baseline that no parser reads is near to nothing.
                logger.warning("architecture left out of the novelty index", extra={"id": entry.id})
                self._known[entry.id] = None
