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
from typing import Protocol

from deltanas_repo_store.errors import StoreBusy, StoreCorrupt
from deltanas_repo_store.objects import Commit, GitObject, read_commit


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

    def read(self, object_id: str) -> GitObject:
        """Return an object that must be there. Raises `StoreCorrupt` where it is not."""
        ...

    def find(self, prefix: str) -> str | None:
        """Return the id of the one commit whose id starts with ``prefix`` (hexadecimal)."""
        ...

    def refs(self, prefix: str) -> dict[str, str]:
        """Return ref to object id, for the ref ``prefix`` itself and every ref below it."""
        ...

    def commits(self, prefix: str) -> Iterator[RefCommit]:
        """Yield the refs of `refs` with their commits, in the order of their names."""
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
        self._mutex = threading.Lock()

    def write(self, objects: Iterable[GitObject]) -> None:
        """Keep the objects."""
        with self._mutex:
            self._objects.update({each.id: each for each in objects})

    def read(self, object_id: str) -> GitObject:
        """Return an object, or raise `StoreCorrupt`."""
        try:
            return self._objects[object_id]
        except KeyError:
            raise StoreCorrupt(f"the object {object_id} is missing from the store") from None

    def find(self, prefix: str) -> str | None:
        """Return the one commit whose id starts with ``prefix``."""
        hits = [
            key
            for key, value in self._objects.items()
            if value.kind == "commit" and key.startswith(prefix)
        ]
        return hits[0] if len(hits) == 1 else None

    def refs(self, prefix: str) -> dict[str, str]:
        """Return the refs at and below ``prefix``."""
        with self._mutex:
            return {ref: self._refs[ref] for ref in sorted(self._refs) if below(prefix, ref)}

    def commits(self, prefix: str) -> Iterator[RefCommit]:
        """Yield the refs at and below ``prefix`` with their commits."""
        for ref, object_id in self.refs(prefix).items():
            yield RefCommit(ref, object_id, read_commit(self.read(object_id).data))

    def update(self, changes: Sequence[RefChange]) -> None:
        """Apply all changes or none."""
        with self._mutex:
            for change in changes:
                if self._refs.get(change.ref) != change.old:
                    raise StoreBusy(f"another process has written {change.ref} first")
                if change.new is not None and change.new not in self._objects:
                    raise StoreCorrupt(f"{change.ref} would name a missing object {change.new}")
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

    def close(self) -> None:
        """Nothing to let go of."""
