"""The catalogue: fingerprints of all architectures, computed once and kept beside the store.

What has been computed before is read without a source being parsed. What has not is computed when
it is first needed, in batches, each kept when it is done; an interruption loses one batch.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from deltanas_repo_store import fingerprints
from deltanas_repo_store.entries import fate
from deltanas_repo_store.errors import BuildError, UnknownArchitecture
from deltanas_repo_store.fingerprints import Stamp, Waiting
from deltanas_repo_store.queries import ancestors
from deltanas_repo_store.records import ArchitectureId, TriedIdea
from deltanas_repo_store.store import Store
from deltanas_tools.novelty_check import ideas, twins
from deltanas_tools.novelty_check.ideas import Lines, coming_back, idea_digest, lines_of
from deltanas_tools.novelty_check.shingles import SHINGLE_TOKENS, hashes_of, shingles
from deltanas_tools.novelty_check.signatures import (
    NUM_PERMUTATIONS,
    SEED,
    SignatureTable,
    signature_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger(__name__)

TEXTS = f"novelty {twins.VERSION}-{SHINGLE_TOKENS}-{NUM_PERMUTATIONS}-{SEED}"
"""Kind of the fingerprints: the key is the digest of the syntax tree, the data the signature."""
DELTAS = f"delta {ideas.VERSION}"
"""Kind of the deltas' digests."""

BATCH = 64
MAX_RECENT = 512
"""Sets of hashes that are kept: 5 kB each for sources of 80 lines."""
MAX_STEPS = 64
"""How far back a lineage is read."""
MAX_IDEAS = 5
MAX_LINES = 5
MAX_CHARS = 200
"""Of a line in a report; a model may write one of a megabyte."""

Progress = Callable[[str, int, int], None]
"""What is computed, how much of it is done, and of how much."""


def silent(what: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Fingerprint:
    """What a source is compared by."""

    digest: str
    hashes: "NDArray[np.uint64]"


@lru_cache(maxsize=8)  # one candidate is checked, compared with those in training, and trained
def fingerprint(source: str) -> Fingerprint:
    """Return the fingerprint of a source.

    Raises:
        BuildError: the source is not Python.
    """
    return Fingerprint(twins.digest(source), hashes_of(shingles(source)))


@dataclass
class Catalogue:
    """The fingerprints of one store."""

    store: Store
    signatures: SignatureTable = field(default_factory=SignatureTable)
    _stamp: Stamp | None = None
    _recent: "OrderedDict[int, NDArray[np.uint64]]" = field(default_factory=OrderedDict)
    _lines: OrderedDict[ArchitectureId, Lines] = field(default_factory=OrderedDict)

    def fill(self, progress: Progress = silent) -> None:
        """Compute what is missing for all architectures and deltas, and keep it."""
        newest = fingerprints.stamp(self.store).newest
        self._fill_texts(newest, progress)
        self._fill_deltas(newest, progress)

    def refresh(self) -> None:
        """Follow the store."""
        now = fingerprints.stamp(self.store)
        if now == self._stamp:
            return
        after = 0
        if self._stamp is not None and now[:2] == self._stamp[:2]:
            after = self._stamp.newest
        else:  # another index, or something was taken out of this one
            self.signatures = SignatureTable()
            self._recent.clear()
        self._fill_texts(now.newest)
        self._stamp = None  # an interruption here means to read all anew
        self._read(after, now.newest)
        self._stamp = now

    def hashes_at(self, number: int, architecture_id: ArchitectureId) -> "NDArray[np.uint64]":
        """Return the hashes of an architecture, made anew unless they were used of late."""
        if number in self._recent:
            self._recent.move_to_end(number)
        else:
            source = self.store.get(architecture_id).source
            self._remember(number, hashes_of(shingles(source)))
        return self._recent[number]

    def idea_of(self, parent: ArchitectureId, source: str) -> str:
        """Return the digest of a delta; empty where it is nothing."""
        return idea_digest(self._lines_of(parent), lines_of(source))

    def tried(
        self, parent: ArchitectureId, source: str, leave_out: ArchitectureId | None
    ) -> tuple[TriedIdea, ...]:
        """Return the earlier steps that speak against a delta: this lineage's, then others'."""
        same = self._repeated(self.idea_of(parent, source), leave_out)
        return (*self._brought_back(parent, source), *same)[:MAX_IDEAS]

    def _brought_back(self, parent: ArchitectureId, source: str) -> Iterator[TriedIdea]:
        try:
            lineage = ancestors(self.store, parent)[-MAX_STEPS:]
        except UnknownArchitecture:  # its branch was deleted
            return
        added = lines_of(source) - self._lines_of(parent)
        for old, step in zip(lineage[-2::-1], lineage[:0:-1], strict=True):
            if not added:
                return
            back = coming_back(added, self._lines_of(old.id), self._lines_of(step.id))
            if back:
                lines = tuple(line[:MAX_CHARS] for line in back[:MAX_LINES])
                yield TriedIdea(
                    kind="removed-lines", id=step.id, name=step.name, fate=fate(step), lines=lines
                )
            # Of several steps that took a line out, the last is the one that speaks.
            added = Lines({line: count for line, count in added.items() if line not in back})

    def _repeated(self, idea: str, leave_out: ArchitectureId | None) -> Iterator[TriedIdea]:
        if not idea:
            return
        self._fill_deltas(fingerprints.stamp(self.store).newest)
        found = fingerprints.steps_with_key(self.store, DELTAS, idea)
        for entry in sorted(found, key=lambda entry: entry.name):
            if entry.id != leave_out:
                yield TriedIdea(kind="same-delta", id=entry.id, name=entry.name, fate=fate(entry))

    def _read(self, after: int, up_to: int) -> None:
        """Put into the table what was computed of architectures with numbers in this range."""
        found = fingerprints.numbers(self.store, TEXTS, after=after, up_to=up_to)
        numbers = np.array(found, dtype=np.int64)
        first = len(self.signatures)
        self.signatures.extend(numbers)
        for some in fingerprints.data_after(self.store, TEXTS, after):
            theirs = np.array([number for number, _ in some], dtype=np.int64)
            data = np.frombuffer(b"".join(data for _, data in some), dtype="<u4")
            # What others have added since is left for the next time.
            listed = np.isin(theirs, numbers, assume_unique=True)
            rows = first + np.searchsorted(numbers, theirs[listed])
            self.signatures.put(rows, data.reshape(-1, NUM_PERMUTATIONS)[listed])

    def _fill_texts(self, up_to: int, progress: Progress = silent) -> None:
        for batch in self._waiting(TEXTS, up_to, progress, candidates=False):
            found = [(each.tree, *self._text(each.number, each.id)) for each in batch]
            fingerprints.put(self.store, TEXTS, found, up_to=batch[-1].number)

    def _text(self, number: int, architecture_id: ArchitectureId) -> tuple[str, bytes]:
        try:
            found = fingerprint(self.store.get(architecture_id).source)
        except BuildError:
            # What no parser reads is near to nothing.
            logger.warning("architecture left out of the catalogue", extra={"id": architecture_id})
            return "", b""
        self._remember(number, found.hashes)
        return found.digest, signature_of(found.hashes).astype("<u4").tobytes()

    def _fill_deltas(self, up_to: int, progress: Progress = silent) -> None:
        for batch in self._waiting(DELTAS, up_to, progress, candidates=True):
            found = [
                (each.id, idea_digest(self._lines_of(each.parent), self._lines_of(each.id)), b"")
                for each in batch
                if each.parent is not None
            ]
            fingerprints.put(self.store, DELTAS, found, up_to=batch[-1].number)

    def _waiting(
        self, kind: str, up_to: int, progress: Progress, *, candidates: bool
    ) -> Iterator[list[Waiting]]:
        """Yield what lacks a kind, batch by batch; each must be kept before the next is asked."""
        done = total = 0
        while True:
            batch = fingerprints.waiting(
                self.store, kind, candidates=candidates, up_to=up_to, limit=BATCH
            )
            if not batch:
                return
            total = total or fingerprints.num_waiting(
                self.store, kind, candidates=candidates, up_to=up_to
            )
            yield batch
            done += len(batch)
            progress(kind.partition(" ")[0], done, max(total, done))

    def _lines_of(self, architecture_id: ArchitectureId) -> Lines:
        if architecture_id in self._lines:
            self._lines.move_to_end(architecture_id)
        else:
            self._lines[architecture_id] = lines_of(self.store.get(architecture_id).source)
            if len(self._lines) > 2 * MAX_STEPS:
                self._lines.popitem(last=False)
        return self._lines[architecture_id]

    def _remember(self, number: int, hashes: "NDArray[np.uint64]") -> None:
        self._recent[number] = hashes
        if len(self._recent) > MAX_RECENT:
            self._recent.popitem(last=False)
