"""The repository port in memory, for tests and dry runs."""

import threading
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from deltanas_repo_store.errors import StoreBusy, StoreCorrupt, UnreadableObject
from deltanas_repo_store.repository.objects import GitObject
from deltanas_repo_store.repository.port import RefChange, below


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

    def write_file(self, file: IO[bytes]) -> str:
        """Keep the bytes of a file."""
        file.seek(0)
        made = GitObject("blob", file.read())
        self.write([made])
        return made.id

    def read_file(self, blob_id: str, file: IO[bytes]) -> None:
        """Write a blob into a file, or raise `StoreCorrupt`."""
        file.write(self.read(blob_id).data)

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
