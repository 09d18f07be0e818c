"""Tables of the index, and how its file is opened, thrown away and made anew."""

import sqlite3
from pathlib import Path

VERSION = 1
"""Of the tables and of what is in them; an index of another version is made anew."""

BUSY_SECONDS = 30.0
"""How long a statement waits for another process that writes."""

_TABLES = """
CREATE TABLE state (only INTEGER PRIMARY KEY CHECK (only = 0), refs TEXT, losses INTEGER);
INSERT INTO state VALUES (0, '', 0);

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
CREATE INDEX architecture_baseline ON architecture (name) WHERE status = 'baseline';

-- An architecture's place on one task: the mean over its seeds.
CREATE TABLE standing (
    ref TEXT NOT NULL, source TEXT NOT NULL, task TEXT NOT NULL, title TEXT NOT NULL,
    dataset TEXT NOT NULL, split TEXT NOT NULL, epochs INTEGER NOT NULL, run TEXT,
    accuracy REAL NOT NULL, num_seeds INTEGER NOT NULL, seeds TEXT NOT NULL, num_params INTEGER,
    seconds REAL NOT NULL, PRIMARY KEY (ref, source, task)) WITHOUT ROWID;
CREATE INDEX standing_place ON standing (task, source, accuracy DESC, ref, num_params, run);
CREATE INDEX standing_front ON standing (task, source, accuracy DESC, num_params, ref, run);

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


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the index at ``path``, or one in memory; an old or new one is empty.

    Raises:
        sqlite3.Error: it cannot be opened, or is no database.
    """
    connection = sqlite3.connect(
        path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


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


def remove(path: Path) -> None:
    """Throw the index at ``path`` away; processes that have it open go on with their own."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
