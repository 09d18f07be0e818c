"""The port between the store and git: objects, refs, one lock a run. And its in-memory twin.

Contract, kept by every implementation and proved by one suite:

- Objects are immutable; writing one twice is one object. Refs appear only after the objects
  that they name.
- ``update`` is all or nothing, and each change says what it expects to find.
- Reading never guesses: a ref or object that is there and cannot be read is `StoreCorrupt`.
"""

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from deltanas_repo_store.errors import StoreBusy, StoreCorrupt, UnreadableObject
from deltanas_repo_store.objects import Commit, GitObject


@dataclass(frozen=True)
class RefChange:
    """Move one ref from ``old`` to ``new``; None means that the ref is not there."""

    ref: str
    old: str | None
    new: str | None


@dataclass(frozen=True)
class RefCommit:
    """A ref, and the commit that it names."""

    ref: str
    id: str
    commit: Commit


class Repository(Protocol):
    """A bare git repository, as far as the store needs one."""

    def write(self, objects: Iterable[GitObject]) -> None:
        """Write objects durably. Raises `StoreError` where that cannot be done."""
        ...

    def write_pack(self, objects: Iterable[GitObject]) -> None:
        """Write many objects durably, all or none. Raises `StoreError` where it cannot be done."""
        ...

    def read(self, object_id: str) -> GitObject:
        """Return an object that must be there. Raises `StoreCorrupt` where it is not."""
        ...

    def read_all(self, object_ids: Iterable[str]) -> Iterator[GitObject]:
        """Yield objects that must be there, in order, far cheaper than one by one.

        Raises:
            StoreCorrupt: one is not.
        """
        ...

    def find(self, prefix: str) -> str | None:
        """Return the id of the one commit whose id starts with ``prefix`` (hexadecimal)."""
        ...

    def ref(self, name: str) -> str | None:
        """Return the object id of one ref; None where there is no such ref."""
        ...

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Return ref to object id, for the refs ``prefixes`` themselves and every ref below."""
        ...

    def changed_since(self, state: str) -> tuple[tuple[str, ...], str]:
        """Return prefixes below which refs may have changed, and the present state.

        ``state`` is what an earlier call returned, or empty for a time before any ref. What the
        prefixes do not cover is as it was; what changes while this runs shows the next time.
        """
        ...

    def broken(self, ref: str, what: str) -> StoreCorrupt:
        """Return the error about a ref that cannot be followed, with the ways to mend it."""
        ...

    def update(self, changes: Sequence[RefChange]) -> None:
        """Apply all changes or none.

        Raises:
            StoreBusy: a ref is not where the change expects it, or somebody else holds it.
        """
        ...

    def exclusive(self, name: str) -> AbstractContextManager[None]:
        """Hold the lock ``name`` while the block runs; it ends with the process at the latest.

        Raises:
            StoreBusy: somebody else holds it.
        """
        ...

    def maintain_if_due(self) -> None:
        """Keep the repository small and quick; never fails."""
        ...

    def cache(self) -> Path | None:
        """Return the folder for what can be made anew at any time; None keeps it in memory."""
        ...

    def close(self) -> None:
        """Let go of child processes and files; the repository can be opened again."""
        ...


def below(prefix: str, ref: str) -> bool:
    """Say whether ``ref`` is ``prefix`` or stands below it, as in ``git for-each-ref``."""
    return ref == prefix or ref.startswith(prefix.rstrip("/") + "/")


class MemoryRepository:
    """A repository for tests and dry runs. Its ids are git's."""

    def __init__(self) -> None:
        self._objects: dict[str, GitObject] = {}
        self._refs: dict[str, str] = {}
        self._held: set[str] = set()
        self._version = 0
        self._mutex = threading.Lock()

    def write(self, objects: Iterable[GitObject]) -> None:
        """Keep the objects."""
        with self._mutex:
            self._objects.update({each.id: each for each in objects})

    def write_pack(self, objects: Iterable[GitObject]) -> None:
        """Keep the objects."""
        self.write(objects)

    def read(self, object_id: str) -> GitObject:
        """Return an object, or raise `StoreCorrupt`."""
        try:
            return self._objects[object_id]
        except KeyError:
            raise UnreadableObject(
                object_id, f"the object {object_id} is missing from the store"
            ) from None

    def find(self, prefix: str) -> str | None:
        """Return the one commit whose id starts with ``prefix``."""
        hits = [
            key
            for key, value in self._objects.items()
            if value.kind == "commit" and key.startswith(prefix)
        ]
        return hits[0] if len(hits) == 1 else None

    def read_all(self, object_ids: Iterable[str]) -> Iterator[GitObject]:
        """Yield objects, or raise `StoreCorrupt`."""
        return map(self.read, object_ids)

    def ref(self, name: str) -> str | None:
        """Return the object id of one ref."""
        return self._refs.get(name)

    def changed_since(self, state: str) -> tuple[tuple[str, ...], str]:
        """Return all prefixes where any ref has changed."""
        return (() if state == str(self._version) else ("refs/",)), str(self._version)

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Return the refs at and below ``prefixes``."""
        with self._mutex:
            return {
                ref: self._refs[ref]
                for ref in sorted(self._refs)
                if any(below(prefix, ref) for prefix in prefixes)
            }

    def broken(self, ref: str, what: str) -> StoreCorrupt:
        """Return the error about a ref that cannot be followed."""
        return StoreCorrupt(f"the ref {ref} {what}")

    def update(self, changes: Sequence[RefChange]) -> None:
        """Apply all changes or none."""
        with self._mutex:
            for change in changes:
                if self._refs.get(change.ref) != change.old:
                    raise StoreBusy(f"another process has written {change.ref} first")
                if change.new is not None and change.new not in self._objects:
                    raise StoreCorrupt(f"{change.ref} would name a missing object {change.new}")
            self._version += 1
            for change in changes:
                if change.new is None:
                    self._refs.pop(change.ref, None)
                else:
                    self._refs[change.ref] = change.new

    @contextmanager
    def exclusive(self, name: str) -> Generator[None]:
        """Hold the lock ``name`` while the block runs."""
        with self._mutex:
            if name in self._held:
                raise StoreBusy(f"{name} is in use by another driver")
            self._held.add(name)
        try:
            yield
        finally:
            with self._mutex:
                self._held.discard(name)

    def maintain_if_due(self) -> None:
        """Nothing to do."""

    def cache(self) -> Path | None:
        """Keep everything in memory."""
        return None

    def close(self) -> None:
        """Nothing to let go of."""
