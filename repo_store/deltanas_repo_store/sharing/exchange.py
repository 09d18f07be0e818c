"""A store is shared like any git repository, and two people's work merges without a conflict.

``pull`` fetches everything into a folder of refs of its own, checks it, plans (`merging`) and
changes our refs in one transaction. ``push`` plans the same with the roles exchanged, for which it
needs no more than the remote's list of refs and the records that both have. Nothing is ever taken
away on either side, and what was stopped leaves nothing but objects.
"""

import logging
import uuid
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from deltanas_repo_store.errors import StoreBusy, StoreError, UnreadableObject
from deltanas_repo_store.layout import PENDING, RUNS
from deltanas_repo_store.repository import RefChange
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.sharing.incoming import Incoming, fault_of_name, record_tree
from deltanas_repo_store.sharing.merge_plan import SHARED, Plan, Shared, order, run_of
from deltanas_repo_store.sharing.merging import plan
from deltanas_repo_store.sharing.remotes import checked_remote, fetch, list_remote, push_refs

logger = logging.getLogger(__name__)

INCOMING = "refs/incoming/"
"""What a pull or push has fetched, while it works on it."""
TRIES = 5
MOST_NAMED = 2000
"""Refs that are fetched by their names; of more, all that stand in the same folders."""


def pull(
    repository: GitRepository, remote: str, *, dry_run: bool = False, shown: bool = False
) -> Shared:
    """Take in everything that another repository has and this store has not.

    Raises:
        ConfigError: the remote's name cannot be one.
        StoreBusy: another process shares this store, drives a run that would get candidates, or
            kept writing.
        StoreError: the remote cannot be reached, or the store cannot be written.
    """
    remote = checked_remote(remote)
    with _sharing(repository) as staging:
        ours = _ours(repository)
        there = _fetch(repository, remote, ours, staging, shown=shown)
        incoming = Incoming(repository, there, ours)
        made = _take_in(repository, incoming.refs, dry_run=dry_run)
    if not dry_run:
        repository.maintain_if_due()
    return made.summary(incoming.skipped)


def push(
    repository: GitRepository, remote: str, *, dry_run: bool = False, shown: bool = False
) -> Shared:
    """Give another repository everything that this store has and it has not.

    Raises:
        ConfigError: the remote's name cannot be one.
        StoreBusy: another process shares this store, or others kept pushing.
        StoreError: the remote cannot be reached, or takes nothing.
    """
    remote = checked_remote(remote)
    before: dict[str, str] | None = None
    reason = ""
    with _sharing(repository) as staging:
        for _ in range(TRIES):
            listed = list_remote(repository, remote)
            if listed == before:
                raise StoreError(f"{remote} takes nothing: {reason}")
            before = listed
            made = _plan_push(repository, remote, listed, staging)
            if dry_run:
                return made.summary()
            repository.write(made.trees())
            changes = made.changes()
            reason = push_refs(repository, remote, changes, shown=shown) if changes else ""
            if not reason:
                return made.summary()
    raise StoreBusy(f"others kept pushing to {remote}; try again")


@contextmanager
def _sharing(repository: GitRepository) -> Generator[str]:
    """Be the only one who shares this store, and have a folder for refs that then is gone."""
    with repository.exclusive("sharing"):
        try:
            yield f"{INCOMING}{uuid.uuid4().hex}/"
        finally:
            # What killed processes left behind as well; if this fails, the next one removes it.
            try:
                left = repository.refs(INCOMING)
                if left:
                    repository.update([RefChange(ref, old, None) for ref, old in left.items()])
            except StoreError as error:
                logger.warning("fetched refs were not removed: %s", error)


def _staged(ref: str, staging: str) -> str:
    return f"+{ref}:{staging}{ref.removeprefix('refs/')}"


def _ours(repository: GitRepository) -> dict[str, str]:
    return _shared(repository.refs(*SHARED))


def _shared(refs: Mapping[str, str]) -> dict[str, str]:
    return {ref: object_id for ref, object_id in refs.items() if not fault_of_name(ref)}


def _busy(refs: Collection[str]) -> set[str]:
    """Return ``<run>/<slot>`` of the candidates under way."""
    names = {ref.removeprefix(PENDING) for ref in refs if ref.startswith(PENDING)}
    return {each for each in names if each.count("/") == 1}


# Pull


def _fetch(
    repository: GitRepository, remote: str, ours: Mapping[str, str], staging: str, *, shown: bool
) -> dict[str, str]:
    """Fetch what is not here; return all shared refs of the remote."""
    there = {
        ref: object_id
        for ref, object_id in list_remote(repository, remote).items()
        if ref.startswith(SHARED)
    }
    known = set(ours.values())
    new = [ref for ref in there if there[ref] not in known and not fault_of_name(ref)]
    if len(new) > MOST_NAMED:  # git looks each name up in a list
        new = sorted({f"{ref.rpartition('/')[0]}/*" for ref in new})
    if new:
        fetch(repository, remote, [_staged(each, staging) for each in new], shown=shown)
    for ref, object_id in repository.refs(staging).items():
        there[f"refs/{ref.removeprefix(staging)}"] = object_id
    return there


def _take_in(repository: GitRepository, theirs: Mapping[str, str], *, dry_run: bool) -> Plan:
    """Plan and change the refs; plan again where somebody has written in between."""
    for attempt in range(TRIES):
        ours = _ours(repository)
        busy = _busy(repository.refs(PENDING))
        made = plan(ours, theirs, lambda each: record_tree(repository, each), busy)
        changes = made.changes()
        if dry_run or not changes:
            return made
        repository.write(made.trees())
        try:
            _update(repository, ours, changes)
        except StoreBusy:
            if attempt == TRIES - 1:
                raise
        else:
            return made
    raise AssertionError("the last attempt returns or raises")


def _update(
    repository: GitRepository, ours: Mapping[str, str], changes: Sequence[RefChange]
) -> None:
    """Change the refs, while nobody drives a run that gets candidates or begins one of them."""
    with ExitStack() as held:
        grown = {run_of(each.ref) for each in changes if each.old is None} - {None}
        for run in sorted(str(each) for each in grown):
            if RUNS + run in ours:
                held.enter_context(repository.exclusive(f"run {run}"))
        slots = {order(each.ref)[:2] for each in changes if each.old is None}
        unbegun = [
            RefChange(f"{PENDING}{run}/{slot}", None, None)
            for run, slot in sorted(slots)
            if run and slot and RUNS + run in ours
        ]
        repository.update([*unbegun, *changes])


# Push


def _plan_push(
    repository: GitRepository, remote: str, listed: Mapping[str, str], staging: str
) -> Plan:
    """Plan what the remote gets, and first fetch those of its records that get more."""
    ours, theirs, busy = _ours(repository), _shared(listed), _busy(listed)
    missing: set[str] = set()

    def files(record: str) -> Mapping[str, str]:
        try:
            return record_tree(repository, record)
        except UnreadableObject:
            missing.add(record)
            return {}

    made = plan(theirs, ours, files, busy)
    if missing:
        wanted = [ref for ref, object_id in theirs.items() if object_id in missing]
        fetch(repository, remote, [_staged(ref, staging) for ref in wanted])
        made = plan(theirs, ours, lambda each: record_tree(repository, each), busy)
    return made
