"""The port between the store and git: objects, refs, one lock a run.

Contract, kept by every implementation and proved by one suite:

- Objects are immutable; writing one twice is one object. Refs appear only after the objects
  that they name.
- ``update`` is all or nothing, and each change says what it expects to find.
- Reading never guesses: a ref or object that is there and cannot be read is `StoreCorrupt`.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.repository.objects import Commit, GitObject


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

    def write_file(self, file: IO[bytes]) -> str:
        """Write a file's bytes durably as a blob, a piece at a time, and return its id.

        Raises:
            StoreError: that cannot be done.
        """
        ...

    def read_file(self, blob_id: str, file: IO[bytes]) -> None:
        """Fill an empty file with a blob's bytes, a piece at a time.

        Raises:
            StoreCorrupt: the blob is not there, or damaged.
        """
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
