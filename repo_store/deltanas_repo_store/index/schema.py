"""Tables of the index, and how its file is opened, thrown away and made anew."""

import fcntl
import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

VERSION = 2
"""Of the tables and of what is in them; an index of another version is made anew."""

BUSY_SECONDS = 30.0
"""How long a statement waits for another process that writes."""

File = tuple[int, int]
"""Device and number of a file: another one at the same path has others."""

_DAMAGED = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_IOERR,  # among others, where a file is in the place of the one that was opened
)

_TABLES = """
-- made tells one index from another: numbers of architectures mean nothing beyond theirs.
CREATE TABLE state (
    only INTEGER PRIMARY KEY CHECK (only = 0), refs TEXT, losses INTEGER, made TEXT);
INSERT INTO state VALUES (0, '', 0, hex(randomblob(8)));

CREATE TABLE ref (name TEXT PRIMARY KEY, oid TEXT NOT NULL) WITHOUT ROWID;

-- n grows, so that a reader can ask for what is new.
CREATE TABLE architecture (
    n INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL UNIQUE, id TEXT NOT NULL,
    tree TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL, stage TEXT, run TEXT,
    parent TEXT, made INTEGER NOT NULL, trace TEXT, entry TEXT NOT NULL);
CREATE INDEX architecture_id ON architecture (id);
CREATE INDEX architecture_tree ON architecture (tree);
CREATE INDEX architecture_parent ON architecture (parent) WHERE parent IS NOT NULL;
CREATE INDEX architecture_trace ON architecture (trace) WHERE trace IS NOT NULL;
CREATE INDEX architecture_made ON architecture (made);
CREATE INDEX architecture_run ON architecture (run, made);
CREATE INDEX architecture_status ON architecture (status, made);
CREATE INDEX architecture_baseline ON architecture (name) WHERE status = 'baseline';

-- An architecture's place on one task: the mean over its seeds.
CREATE TABLE standing (
    ref TEXT NOT NULL, source TEXT NOT NULL, task TEXT NOT NULL, title TEXT NOT NULL,
    dataset TEXT NOT NULL, split TEXT NOT NULL, epochs INTEGER NOT NULL, run TEXT,
    accuracy REAL NOT NULL, num_seeds INTEGER NOT NULL, seeds TEXT NOT NULL, num_params INTEGER,
    seconds REAL NOT NULL, PRIMARY KEY (ref, source, task)) WITHOUT ROWID;
CREATE INDEX standing_place ON standing (task, source, accuracy DESC, ref, num_params, run);
CREATE INDEX standing_front ON standing (task, source, accuracy DESC, num_params, ref, run);
CREATE INDEX standing_run ON standing (run, task, source, accuracy DESC, ref, num_params);

CREATE TABLE checked (
    ref TEXT NOT NULL, input TEXT NOT NULL, ok INTEGER NOT NULL, num_params INTEGER, trace TEXT,
    PRIMARY KEY (ref, input)) WITHOUT ROWID;
CREATE INDEX checked_trace ON checked (trace) WHERE trace IS NOT NULL;

-- What a room above has computed from an architecture's files, by their tree.
CREATE TABLE derived (
    kind TEXT NOT NULL, tree TEXT NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (kind, tree)) WITHOUT ROWID;
CREATE INDEX derived_key ON derived (kind, key);
"""


def connect(path: Path | None) -> tuple[sqlite3.Connection, File | None]:
    """Open the index at ``path``, or one in memory; an old, new or damaged one is empty.

    Returns the file as well, which may be gone from its path later; None in memory.

    Raises:
        sqlite3.Error: it cannot be opened.
    """
    if path is None:
        return _connect(":memory:"), None
    with _alone(path):
        if not path.exists() or path.stat().st_size == 0:
            _unlink(path)  # what belongs to a file that is gone would be taken for the new one's
        try:
            return _connect(str(path)), _file_at(path)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            logger.warning("the index %s is damaged (%s); it is made anew", path, error)
            _unlink(path)
            return _connect(str(path)), _file_at(path)


def _connect(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        name, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def _alone(path: Path) -> Generator[None]:
    """Let one process at a time open or remove the three files that are an index.

    Where we may not write, nor does the removal of files work.
    """
    try:
        file = path.with_name(path.name + ".lock").open("a")
    except OSError:
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def is_damage(error: sqlite3.Error) -> bool:
    """Say whether the file is at fault, so that a new one is the remedy."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    lacks_a_table = code == sqlite3.SQLITE_ERROR and "no such" in str(error)
    return lacks_a_table or code in _DAMAGED


def _make_tables(connection: sqlite3.Connection) -> None:
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN EXCLUSIVE")
    # Another process may have made them while this one waited.
    if _version(connection) != VERSION:
        for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall():
            connection.execute(f'DROP TABLE "{name}"')
        for statement in _TABLES.split(";\n"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def remove(path: Path, file: File | None = None) -> None:
    """Throw the index at ``path`` away, if it still is ``file`` where that is given.

    Processes that have it open go on with their own, and notice.
    """
    with _alone(path):
        if file is None or is_at(path, file):
            _unlink(path)


def is_at(path: Path | None, file: File | None) -> bool:
    """Say whether ``path`` is ``file`` still; True of one in memory."""
    return path is None or file is None or _file_at(path) == file


def _file_at(path: Path) -> File | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _unlink(path: Path) -> None:
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
