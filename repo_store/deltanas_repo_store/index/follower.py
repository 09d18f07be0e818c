"""The index follows the refs: what changed since it looked is read, and nothing else.

Every change to the index is made under SQLite's write lock, and refs are listed under it as well.
So two processes cannot put back what the other has just removed. What a process has written is
noted in the same breath; that is a head start, and not trusted: the refs' folders still count as
changed, and are listed once more.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from deltanas_repo_store.entries import BASELINES, KEPT, REJECTED
from deltanas_repo_store.errors import StoreBusy, StoreError, UnreadableObject
from deltanas_repo_store.index import schema
from deltanas_repo_store.index.rows import architecture_row, files_of_interest, record_rows
from deltanas_repo_store.layout import ALIASES, PENDING, RECORDS, RUNS, measured_ref
from deltanas_repo_store.repository import RefChange, Repository, below
from deltanas_repo_store.repository.objects import GitObject

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""How many refs have been read, and of how many."""

_ARCHITECTURES = (BASELINES, KEPT, REJECTED)
_FOLLOWED = (*_ARCHITECTURES, RECORDS, RUNS, PENDING, ALIASES)
_BATCH = 2000
_CLOSED_TO_US = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)
_Result = TypeVar("_Result")


def _silent(done: int, total: int) -> None:
    """Report nothing."""


class Index:
    """The index of one repository. Safe to use from several threads and processes."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        folder = repository.cache()
        self._path: Path | None = None if folder is None else folder / "index.sqlite"
        self._mutex = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._file: schema.File | None = None

    def close(self) -> None:
        """Close the file; the next question opens it again."""
        with self._mutex:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def rows(self, question: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """Answer a question in SQL, after a look at the refs.

        Raises:
            StoreCorrupt: a ref names what no store has.
            StoreBusy: another process writes to the index, and does not end.
        """

        def answer(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
            return connection.execute(question, values).fetchall()

        return self._use(lambda connection: self._follow(connection, answer))

    def write(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run a statement of SQL for each of the values."""
        kept = list(values)

        def work(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                connection.executemany(statement, kept)

        self._use(work)

    def rebuild(self, progress: Progress = _silent) -> int:
        """Throw the index away, and read everything anew; returns the number of refs."""

        def count(connection: sqlite3.Connection) -> int:
            [[found]] = connection.execute("SELECT count(*) FROM ref").fetchall()
            return int(found)

        with self._mutex:
            self.close()
            if self._path is not None and self._path.exists():
                schema.remove(self._path)
            return self._use(lambda connection: self._follow(connection, count, progress))

    def wrote(self, changes: Sequence[RefChange], objects: Mapping[str, GitObject]) -> None:
        """Note what this process has just written. ``objects`` saves reading them again.

        The refs are changed already, so nothing here fails: the next question looks again.
        """

        def note(connection: sqlite3.Connection) -> None:
            with _transaction(connection):
                # Whoever has followed since then knows better: another may have written again.
                behind, _ = self._repository.changed_since(_state(connection))
                new = [
                    each for each in changes if any(below(prefix, each.ref) for prefix in behind)
                ]
                self._apply(
                    connection,
                    gone=[each.ref for each in new if each.new is None],
                    come={each.ref: each.new for each in new if each.new is not None},
                    objects=objects,
                    progress=_silent,
                )

        try:
            self._use(note)
        except StoreError as error:
            logger.warning("the index is behind, and will catch up: %s", error)

    def _use(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        """Do ``work`` with the connection; if the file is damaged, once more with a new one."""
        with self._mutex:
            try:
                return self._attempt(work)
            except sqlite3.Error as error:
                if not self._mended(error):
                    raise _told(error, self._path) from error
            try:
                return self._attempt(work)
            except sqlite3.Error as error:
                raise _told(error, self._path) from error

    def _attempt(self, work: Callable[[sqlite3.Connection], _Result]) -> _Result:
        if self._connection is not None and not schema.is_at(self._path, self._file):
            self.close()  # another process has made the index anew
        if self._connection is None:
            self._connection, self._file = self._open()
        return work(self._connection)

    def _mended(self, error: sqlite3.Error) -> bool:
        """Put an index that can be used in place of this one; False where that is no remedy."""
        connection, path = self._connection, self._path
        if connection is None or path is None:
            return False
        if _code(error) == sqlite3.SQLITE_READONLY:
            self.close()
            logger.warning("the index %s cannot be written; it is made in memory", path)
            self._connection, self._file = schema.connect(None)
            return True
        if not schema.is_damage(error):
            return False
        logger.warning("the index %s is damaged (%s); it is made anew", path, error)
        schema.remove(path, self._file)
        self.close()
        return True

    def _open(self) -> tuple[sqlite3.Connection, schema.File | None]:
        path = self._path
        if path is None:
            return schema.connect(None)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return schema.connect(path)
        except sqlite3.OperationalError as error:
            if _code(error) not in _CLOSED_TO_US:
                raise
            logger.warning("no index at %s (%s); it is made in memory", path, error)
        except OSError as error:
            logger.warning("no index at %s (%s); it is made in memory", path, error)
        return schema.connect(None)

    def _follow(
        self,
        connection: sqlite3.Connection,
        answer: Callable[[sqlite3.Connection], _Result],
        progress: Progress = _silent,
    ) -> _Result:
        """Return the answer of an index that is as the refs are; nobody writes between the two."""
        with _transaction(connection, "DEFERRED"):
            if not self._repository.changed_since(_state(connection))[0]:
                return answer(connection)
        with _transaction(connection):
            known = _state(connection)
            changed, state = self._repository.changed_since(known)
            there = self._repository.refs(*changed) if changed else {}
            come = {ref: oid for ref, oid in there.items() if ref.startswith(_FOLLOWED)}
            had: dict[str, str] = {}
            for prefix in changed:
                had |= connection.execute(
                    "SELECT name, oid FROM ref WHERE name >= ? AND name < ?",
                    (prefix, prefix.rstrip("/") + "0"),
                ).fetchall()
            self._apply(
                connection,
                gone=[ref for ref in had if ref not in come],
                come={ref: oid for ref, oid in come.items() if had.get(ref) != oid},
                objects={},
                progress=progress,
            )
            if state != known:
                connection.execute("UPDATE state SET refs = ?", (state,))
            return answer(connection)

    def _apply(
        self,
        connection: sqlite3.Connection,
        *,
        gone: Sequence[str],
        come: Mapping[str, str],
        objects: Mapping[str, GitObject],
        progress: Progress,
    ) -> None:
        come = {ref: oid for ref, oid in come.items() if ref.startswith(_FOLLOWED)}
        lost = [(ref,) for ref in (*gone, *come)]
        connection.executemany("DELETE FROM ref WHERE name = ?", lost)
        removed = connection.executemany("DELETE FROM architecture WHERE ref = ?", lost).rowcount
        if removed > 0:
            connection.execute("UPDATE state SET losses = losses + ?", (removed,))
        measured = [(measured_ref(ref),) for (ref,) in lost if ref.startswith(RECORDS)]
        connection.executemany("DELETE FROM standing WHERE ref = ?", measured)
        connection.executemany("DELETE FROM checked WHERE ref = ?", measured)
        connection.executemany("INSERT INTO ref VALUES (?, ?)", come.items())
        waiting = list(come.items())
        for at in range(0, len(waiting), _BATCH):
            batch = waiting[at : at + _BATCH]
            self._add_architectures(
                connection, [each for each in batch if each[0].startswith(_ARCHITECTURES)], objects
            )
            self._add_records(
                connection, [each for each in batch if each[0].startswith(RECORDS)], objects
            )
            progress(at + len(batch), len(waiting))

    def _add_architectures(
        self,
        connection: sqlite3.Connection,
        refs: Sequence[tuple[str, str]],
        objects: Mapping[str, GitObject],
    ) -> None:
        commits = self._read({oid: ref for ref, oid in refs}, objects)
        for ref, oid in refs:
            if (kind := commits[oid].kind) != "commit":
                raise self._repository.broken(ref, f"names a {kind}, not a commit")
        connection.executemany(
            f"INSERT INTO architecture VALUES (NULL{', ?' * 11})",
            [architecture_row(ref, oid, commits[oid]) for ref, oid in refs],
        )

    def _add_records(
        self,
        connection: sqlite3.Connection,
        refs: Sequence[tuple[str, str]],
        objects: Mapping[str, GitObject],
    ) -> None:
        trees = self._read({oid: ref for ref, oid in refs}, objects)
        wanted = {ref: files_of_interest(ref, trees[oid]) for ref, oid in refs}
        blobs = self._read(
            {oid: ref for ref, files in wanted.items() for oid in files.values()}, objects
        )
        for ref, files in wanted.items():
            if files:
                standings, checks = record_rows(
                    ref, {name: blobs[oid] for name, oid in files.items()}
                )
                connection.executemany(f"INSERT INTO standing VALUES (?{', ?' * 12})", standings)
                connection.executemany("INSERT INTO checked VALUES (?, ?, ?, ?, ?)", checks)

    def _read(
        self, wanted: Mapping[str, str], objects: Mapping[str, GitObject]
    ) -> dict[str, GitObject]:
        """Return objects by id; ``wanted`` says which ref needs each."""
        missing = [oid for oid in wanted if oid not in objects]
        read: dict[str, GitObject] = {}
        try:
            if missing:
                read = dict(zip(missing, self._repository.read_all(missing), strict=True))
        except UnreadableObject as error:
            ref = wanted.get(error.object_id, "a ref")
            what = f"needs the object {error.object_id}, which is missing or damaged"
            raise self._repository.broken(ref, what) from error
        return {oid: read[oid] if oid in read else objects[oid] for oid in wanted}


def _state(connection: sqlite3.Connection) -> str:
    [state] = connection.execute("SELECT refs FROM state").fetchone()
    return str(state)


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Generator[None]:
    """Hold the write lock, or a snapshot (``DEFERRED``); everything in the block or nothing."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # SQLite has rolled back by itself where the disk is full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's primary result code; 0 where the error is Python's own."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _told(error: sqlite3.Error, path: Path | None) -> StoreError:
    if _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreBusy(f"another process keeps writing to {path}; try again")
    return StoreError(f"the index {path} cannot be used: {error}; nothing in git is lost by that")
