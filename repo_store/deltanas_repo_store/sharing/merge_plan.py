"""A plan of what a store must get: how its refs change, which records are new, what to tell."""

from collections.abc import Callable, Collection, Mapping, Sequence

from deltanas_repo_store.entries import BASELINES, KEPT, REJECTED
from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.layout import (
    ADAPTERS,
    ALIASES,
    EVALUATION_FILE,
    PROMOTIONS,
    RECORDS,
    RESERVED_RUN,
    RUNS,
)
from deltanas_repo_store.records import Record
from deltanas_repo_store.reported import Skipped
from deltanas_repo_store.repository import RefChange
from deltanas_repo_store.repository.objects import GitObject, tree
from deltanas_repo_store.sharing.record_merge import merged_files

SHARED = (BASELINES, ALIASES, RUNS, KEPT, REJECTED, ADAPTERS, PROMOTIONS, RECORDS)
"""What is shared, in an order in which nothing comes before what it belongs to."""
BASELINE_RECORDS = f"{RECORDS}{RESERVED_RUN}/"

Files = Callable[[str], Mapping[str, str]]
"""Reads a record's tree. Raises `StoreCorrupt` where it is none."""


class Shared(Record):
    """What came of a pull or a push: what the receiving side has got."""

    baselines: int = 0
    aliases: int = 0
    candidates: int = 0
    """Kept and rejected ones."""
    runs: int = 0
    """How many runs got something new."""
    adapters: int = 0
    promotions: int = 0
    """How often runs went over to another adapter."""
    evaluations: int = 0
    """Further measurements of architectures that were there before."""
    records_merged: int = 0
    """Records that were there and have got more."""
    renames: tuple[tuple[str, str], ...] = ()
    """Names of runs, baselines and aliases where they come from, and where they went."""
    skipped: tuple[Skipped, ...] = ()
    """Refs that were left out, and why."""


class Plan:
    """The receiving side, as it becomes step by step."""

    def __init__(self, here: Mapping[str, str], files: Files, busy: Collection[str]) -> None:
        self.before = here
        self.refs: dict[str, str] = {}
        self.renames: dict[tuple[str, str], None] = {}
        self.skipped: list[Skipped] = []
        self.slots: dict[str, set[str]] = {}
        """The runs, and the taken slots of each."""
        self._files = files
        self._merged: dict[str, dict[str, str]] = {}
        self._evaluations = 0
        for ref, object_id in here.items():
            self.put(ref, object_id)
        for name in busy:
            run, slot = name.split("/", 1)
            self.slots.setdefault(run, set()).add(slot)

    def put(self, ref: str, object_id: str) -> None:
        """Let a ref name an object."""
        self.refs[ref] = object_id
        run, slot = run_of(ref), split(ref)[1].partition("/")[2]
        if run is not None:
            self.slots.setdefault(run, set()).update([slot] if slot else [])

    def put_record(self, ref: str, record: str, *, of_new: bool) -> None:
        """Let a ref name this record, or the union of it and the one that is there.

        ``of_new`` says that the architecture, too, was not there before.
        """
        present = self.refs.get(ref)
        if present == record:
            return
        if present is None and of_new:
            self.put(ref, record)
            return
        try:
            old = self._read(present) if present else {}
            new = self._read(record)
        except StoreCorrupt as error:
            self.skip(ref, str(error))
            return
        files = merged_files(old, new) if present else dict(new)
        made = tree(files).id if present else record
        if made == present:
            return
        if present:
            self._merged[made] = files
        self.put(ref, made)
        self._evaluations += sum(
            name.startswith(EVALUATION_FILE) and name not in old for name in files
        )

    def _read(self, record: str) -> Mapping[str, str]:
        return self._merged[record] if record in self._merged else self._files(record)

    def renamed(self, theirs: str, ours: str) -> None:
        """Note under which name something came in."""
        if theirs != ours:
            self.renames[theirs, ours] = None

    def skip(self, ref: str, reason: str) -> None:
        """Note what does not come in."""
        self.skipped.append(Skipped(name=ref, reason=reason))

    def changes(self) -> tuple[RefChange, ...]:
        """Return how refs change; what belongs together stands together, the record last."""
        changed = [ref for ref in self.refs if self.refs[ref] != self.before.get(ref)]
        return tuple(
            RefChange(ref, self.before.get(ref), self.refs[ref])
            for ref in sorted(changed, key=order)
        )

    def trees(self) -> tuple[GitObject, ...]:
        """Return the merged records' trees."""
        return tuple(tree(files) for files in self._merged.values())

    def summary(self, skipped: Sequence[Skipped] = ()) -> Shared:
        """Count what the plan brings."""
        changes = self.changes()
        new = [change.ref for change in changes if change.old is None]
        places = [split(ref)[0] for ref in new]
        return Shared(
            baselines=places.count(BASELINES),
            aliases=places.count(ALIASES),
            candidates=places.count(KEPT) + places.count(REJECTED),
            runs=len({run_of(ref) for ref in new} - {None}),
            adapters=places.count(ADAPTERS),
            promotions=places.count(PROMOTIONS),
            evaluations=self._evaluations,
            records_merged=len(changes) - len(new),
            renames=tuple(self.renames),
            skipped=(*skipped, *self.skipped),
        )


def split(ref: str) -> tuple[str, str]:
    """Return the place of a shared ref, and its name there."""
    place = next(each for each in SHARED if ref.startswith(each))
    return place, ref.removeprefix(place)


def run_of(ref: str) -> str | None:
    """Return the run that a ref belongs to; None for what is a baseline's."""
    if ref.startswith((BASELINES, ALIASES, BASELINE_RECORDS)):
        return None
    return split(ref)[1].split("/")[0]


def order(ref: str) -> tuple[str, str, int]:
    """Sort baselines first, then runs, by slot; in a slot the candidate before its record.

    The first two parts are the same for what belongs together.
    """
    place, name = split(ref)
    run = run_of(ref)
    if run is None:
        return "", name.removeprefix(f"{RESERVED_RUN}/"), SHARED.index(place)
    return run, name.partition("/")[2], SHARED.index(place)
