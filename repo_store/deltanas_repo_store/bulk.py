"""Many baselines at once: one pack and one ref transaction for each batch.

A batch is there as a whole or not at all (of one whose git was killed amid its renames, a part may
be, each network whole), and what is there already is left as it is: an import that was stopped goes
on where it was by being started again.
"""

from collections.abc import Iterable, Sequence

from deltanas_repo_store.contents import folder
from deltanas_repo_store.entries import BASELINES
from deltanas_repo_store.layout import (
    ALIASES,
    RECORDS,
    REPORTED_FILE,
    RESERVED_RUN,
    baseline_objects,
)
from deltanas_repo_store.records import Record
from deltanas_repo_store.reported import NewBaseline, Skipped
from deltanas_repo_store.repository import RefChange
from deltanas_repo_store.repository.objects import GitObject
from deltanas_repo_store.store import Store

_RECORDS = f"{RECORDS}{RESERVED_RUN}/"


class Imported(Record):
    """What came of a batch."""

    added: tuple[str, ...]
    """Names of the new baselines."""
    aliases: int
    """New further names."""
    present: int
    """Baselines that were there before, with this content."""
    skipped: tuple[Skipped, ...]
    """Those whose name belongs to another network."""


def import_baselines(store: Store, batch: Sequence[NewBaseline]) -> Imported:
    """Add baselines, their further names, and what others have reported of them.

    Raises:
        StoreBusy: another process has just imported one of them; nothing of the batch was added.
    """
    names = [name for each in batch for name in (each.name, *each.aliases)]
    places = (BASELINES, ALIASES, _RECORDS)
    taken = store.named_refs([prefix + name for name in names for prefix in places])
    objects: list[GitObject] = []
    changes: list[RefChange] = []
    added: list[str] = []
    skipped: list[Skipped] = []
    present = 0
    for each in batch:
        made = baseline_objects(each.name, each.architecture)
        found = taken.get(BASELINES + each.name)
        if found is not None and found != made[-1].id:
            skipped.append(Skipped(name=each.name, reason="the store has another with this name"))
            continue
        changes += _aliases(each, made[-1].id, taken)
        if found is not None:
            present += 1
            continue
        record = _record(each)
        objects += [*made, *record]
        # A git that is killed amid its renames leaves no baseline without what is reported of it.
        if record:
            ref = _RECORDS + each.name
            changes.append(RefChange(ref, taken.get(ref), record[-1].id))
        changes.append(RefChange(BASELINES + each.name, None, made[-1].id))
        added.append(each.name)
    if changes:
        store.write_many(objects, changes)
    return Imported(
        added=tuple(added),
        aliases=sum(change.ref.startswith(ALIASES) for change in changes),
        present=present,
        skipped=tuple(skipped),
    )


def _aliases(each: NewBaseline, commit_id: str, taken: dict[str, str]) -> Iterable[RefChange]:
    return [
        RefChange(ALIASES + alias, None, commit_id)
        for alias in each.aliases
        if ALIASES + alias not in taken and BASELINES + alias not in taken
    ]


def _record(each: NewBaseline) -> list[GitObject]:
    if not each.reported:
        return []
    return folder(
        {
            f"{REPORTED_FILE}{report.source}-{report.network}.json": report.model_dump_json()
            for report in each.reported
        }
    )
