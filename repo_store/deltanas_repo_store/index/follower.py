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

from deltanas_repo_store.entries import BASELINES, KEPT, REJECTED
from deltanas_repo_store.errors import StoreBusy, StoreError, UnreadableObject
from deltanas_repo_store.index import schema
from deltanas_repo_store.index.rows import architecture_row, files_of_interest, record_rows
from deltanas_repo_store.layout import ALIASES, PENDING, RECORDS, RUNS, measured_ref
from deltanas_repo_store.objects import GitObject
from deltanas_repo_store.repository import RefChange, Repository

logger = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""How many refs have been read, and of how many."""

_ARCHITECTURES = (BASELINES, KEPT, REJECTED)
_FOLLOWED = (*_ARCHITECTURES, RECORDS, RUNS, PENDING, ALIASES)
_BATCH = 2000


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
        with self._mended() as connection:
            self._follow(connection, _silent)
            return connection.execute(question, values).fetchall()

    def write(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run a statement of SQL for each of the values."""
        with self._mended() as connection, _transaction(connection):
            connection.executemany(statement, values)

    def rebuild(self, progress: Progress = _silent) -> int:
        """Throw the index away, and read everything anew; returns the number of refs."""
        with self._mutex:
            self.close()
            if self._path is not None:
                schema.remove(self._path)
            with self._mended() as connection:
                self._follow(connection, progress)
                [[count]] = connection.execute("SELECT count(*) FROM ref").fetchall()
                return int(count)

    def wrote(self, changes: Sequence[RefChange], objects: Mapping[str, GitObject]) -> None:
        """Note what this process has just written. ``objects`` saves reading them again.

        The refs are changed already, so nothing here fails: the next question looks again.
        """
        try:
            with self._mended() as connection, _transaction(connection):
                self._apply(
                    connection,
                    gone=[each.ref for each in changes if each.new is None],
                    come={each.ref: each.new for each in changes if each.new is not None},
                    objects=objects,
                    progress=_silent,
                )
        except StoreError as error:
            logger.warning("the index is behind, and will catch up: %s", error)

    @contextmanager
    def _mended(self) -> Generator[sqlite3.Connection]:
        """Lend the connection; a damaged file is thrown away first, and made anew."""
        with self._mutex:
            try:
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
            except sqlite3.OperationalError as error:
                raise _told(error, self._path) from error
            except sqlite3.DatabaseError as error:
                self.close()
                if self._path is not None:
                    schema.remove(self._path)
                raise StoreBusy(
                    f"the index {self._path} was damaged ({error}) and has been removed; the same "
                    "command makes it anew from git"
                ) from error

    def _open(self) -> sqlite3.Connection:
        path = self._path
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            return schema.connect(path)
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise
            logger.warning("no index at %s (%s); it is made in memory", path, error)
        except OSError as error:
            logger.warning("no index at %s (%s); it is made in memory", path, error)
        except sqlite3.DatabaseError as error:
            assert path is not None
            logger.warning("the index %s is damaged (%s); it is made anew", path, error)
            schema.remove(path)
            return schema.connect(path)
        return schema.connect(None)

    def _follow(self, connection: sqlite3.Connection, progress: Progress) -> None:
        if not self._repository.changed_since(_state(connection))[0]:
            return
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
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    """Hold the write lock; everything in the block or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _told(error: sqlite3.OperationalError, path: Path | None) -> StoreError:
    if "locked" in str(error):
        return StoreBusy(f"another process keeps writing to {path}; try again")
    return StoreError(f"the index {path} cannot be used: {error}; nothing in git is lost by that")
