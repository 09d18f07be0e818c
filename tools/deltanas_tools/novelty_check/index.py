"""The questions: the same network, the same computation, nearly the same text, a tried idea?

Signatures only say where to look; what a report says is exact.
"""

from collections.abc import Collection
from dataclasses import dataclass, field

from deltanas_repo_store import fingerprints
from deltanas_repo_store.entries import Entry, fate
from deltanas_repo_store.records import ArchitectureId, Neighbour, NoveltyReport
from deltanas_tools.novelty_check.catalogue import (
    TEXTS,
    Catalogue,
    Fingerprint,
    fingerprint,
)
from deltanas_tools.novelty_check.shingles import jaccard
from deltanas_tools.novelty_check.signatures import signature_of

THRESHOLD = 0.90
"""Similarity from which a network counts as a near-duplicate (the paper, section 3)."""

MARGIN = 0.10
"""How far an estimate may be wrong: over three standard errors at the threshold."""

MAX_VERIFIED = 16
"""How many of the nearest by estimate are compared exactly, at most."""


@dataclass(frozen=True)
class _UnderWay:
    text: Fingerprint
    trace: str
    idea: str


@dataclass
class NoveltyIndex:
    """Compares sources with every architecture of a store.

    What counts: baselines, kept candidates, and those whose training failed, which nobody
    wants to pay for twice. Candidates that an earlier gate closed on do not, but for their ideas.
    """

    catalogue: Catalogue
    threshold: float = THRESHOLD
    with_parent: bool = False
    """Whether a candidate's text is compared with its parent's too, as in the paper."""
    _under_way: dict[str, _UnderWay] = field(default_factory=dict)

    def check(
        self,
        source: str,
        *,
        leave_out: ArchitectureId | None = None,
        parent: ArchitectureId | None = None,
        trace: str = "",
        num_neighbours: int = 3,
    ) -> NoveltyReport:
        """Ask the four questions about a source.

        ``leave_out`` is the architecture itself, where it is in the store already. Without a
        ``parent`` nothing is known of ideas, and without a ``trace`` (or a record of one) of
        what is computed.

        Raises:
            BuildError: the source is not Python.
        """
        mine = fingerprint(source)
        self.catalogue.refresh()
        neighbours = self._nearest(mine, self._not_compared(leave_out, parent), num_neighbours)
        twins = fingerprints.with_key(self.catalogue.store, TEXTS, mine.digest)
        traces = {trace} - {""}
        if leave_out is not None:
            traces |= set(fingerprints.traces_of(self.catalogue.store, leave_out))
        alike = fingerprints.computing(self.catalogue.store, traces) if traces else ()
        return NoveltyReport(
            similarity=neighbours[0].similarity if neighbours else 0.0,
            nearest=neighbours[0].id if neighbours else None,
            exact_duplicate_of=_first(twins, leave_out),
            same_computation_as=_first(alike, leave_out),
            neighbours=neighbours,
            tried=self.catalogue.tried(parent, source, leave_out) if parent else (),
            threshold=self.threshold,
        )

    def begin(
        self, name: str, source: str, *, trace: str = "", parent: ArchitectureId | None = None
    ) -> None:
        """Note a network that is being trained, and is not in the store as yet."""
        idea = self.catalogue.idea_of(parent, source) if parent else ""
        self._under_way[name] = _UnderWay(fingerprint(source), trace, idea)

    def end(self, name: str) -> None:
        """Forget a network that was being trained: the store has it now, or never will."""
        self._under_way.pop(name, None)

    def has_nearer_under_way(
        self,
        source: str,
        report: NoveltyReport,
        *,
        trace: str = "",
        parent: ArchitectureId | None = None,
    ) -> bool:
        """Say whether a network in training would change the ``report``, of one neighbour."""
        mine = fingerprint(source)
        idea = self.catalogue.idea_of(parent, source) if parent and self._under_way else ""
        return any(
            other.text.digest == mine.digest
            or (trace != "" and other.trace == trace)
            or (idea != "" and other.idea == idea)
            or jaccard(mine.hashes, other.text.hashes) > report.similarity
            for other in self._under_way.values()
        )

    def _not_compared(
        self, leave_out: ArchitectureId | None, parent: ArchitectureId | None
    ) -> frozenset[int]:
        found: frozenset[int] = frozenset()
        if leave_out is not None:
            found |= fingerprints.numbers_of(self.catalogue.store, leave_out)
        if parent is not None and not self.with_parent:
            found |= fingerprints.numbers_of_source(self.catalogue.store, parent)
        return found

    def _nearest(
        self, mine: Fingerprint, left_out: Collection[int], count: int
    ) -> tuple[Neighbour, ...]:
        """Return the nearest, of equals the earliest first, with exact similarities."""
        table = self.catalogue.signatures
        rows, estimates = table.ranked(signature_of(mine.hashes))
        first = slice(MAX_VERIFIED + len(left_out))
        ranking = zip(table.numbers[rows[first]].tolist(), estimates[first].tolist(), strict=True)
        others = [(at, near) for at, near in ranking if at not in left_out][:MAX_VERIFIED]
        ids = fingerprints.ids_at(self.catalogue.store, [at for at, _ in others])
        best: list[tuple[float, int]] = []
        for at, estimate in others:
            if len(best) == count and estimate < best[-1][0] - MARGIN:
                break
            if at in ids:
                exact = jaccard(mine.hashes, self.catalogue.hashes_at(at, ids[at]))
                best = sorted([*best, (exact, at)], key=lambda each: (-each[0], each[1]))[:count]
        entries = fingerprints.entries_at(self.catalogue.store, [at for _, at in best])
        return tuple(
            Neighbour(id=entry.id, name=entry.name, similarity=exact, fate=fate(entry))
            for exact, entry in ((exact, entries.get(at)) for exact, at in best)
            if entry is not None
        )


def _first(found: Collection[Entry], leave_out: ArchitectureId | None) -> ArchitectureId | None:
    return next((entry.id for entry in found if entry.id != leave_out), None)
