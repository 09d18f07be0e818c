"""The table of jobs: one SQLite file in the store's folder. Every change is one transaction.

A connection serves one use and is closed: nothing is shared by threads, or kept over a fork. A
worker keeps its own, and so puts no file into a store that is being removed.
"""

import fcntl
import json
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from deltanas_mcp.jobs.records import Job
from deltanas_repo_store.errors import JobError

VERSION = 1
BUSY_SECONDS = 30.0
"""How long a statement waits for another process that writes."""
_CLOSED_TO_US = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM)

_TABLES = """
-- worker names the process that performs it, so that it can be killed; cancelling is asked of it.
CREATE TABLE job (
    n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    owner TEXT NOT NULL, device TEXT NOT NULL, arguments TEXT NOT NULL, key TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'queued', created REAL NOT NULL, started REAL, ended REAL,
    progress REAL NOT NULL DEFAULT 0, total REAL, message TEXT NOT NULL DEFAULT '', result TEXT,
    error TEXT NOT NULL DEFAULT '', cancelling INTEGER NOT NULL DEFAULT 0,
    worker TEXT NOT NULL DEFAULT '');
CREATE UNIQUE INDEX job_key ON job (owner, kind, key) WHERE key != '';
CREATE INDEX job_waiting ON job (device, n) WHERE state = 'queued';
CREATE INDEX job_running ON job (device) WHERE state = 'running';
CREATE INDEX job_owner ON job (owner, n);

CREATE TABLE change (n INTEGER NOT NULL);
INSERT INTO change VALUES (0);
CREATE TRIGGER job_made AFTER INSERT ON job BEGIN UPDATE change SET n = n + 1; END;
CREATE TRIGGER job_changed AFTER UPDATE ON job BEGIN UPDATE change SET n = n + 1; END;
CREATE TRIGGER job_gone AFTER DELETE ON job BEGIN UPDATE change SET n = n + 1; END;
"""

JOBS = """
SELECT *, CASE state WHEN 'queued' THEN (
    SELECT count(*) FROM job AS other
    WHERE other.state = 'queued' AND other.device = job.device AND other.n <= job.n) END AS position
FROM job """


class JobTable:
    """The file with the jobs of the store at ``store``."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.folder = store / "deltanas"
        self.path = self.folder / "jobs.sqlite3"
        self._kept: sqlite3.Connection | None = None

    def keep_open(self) -> None:
        """Use one connection from now on, in this thread alone.

        Raises:
            JobError: it cannot be opened.
        """
        with self._told():
            self._kept = self._open()

    @property
    def logs(self) -> Path:
        """The folder with a log for each job."""
        return self.folder / "job-logs"

    def log(self, job_id: str) -> Path:
        """Return where what a job prints goes."""
        return self.logs / f"{job_id}.log"

    def role(self, device: str) -> Path:
        """Return the file whose lock is the role of a device's worker."""
        return self.folder / "workers" / f"{device}.lock"

    def exists(self) -> bool:
        """Say whether a job was ever submitted."""
        return self.path.exists()

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Give a connection to a table that exists; one that cannot be written is read as it is.

        Raises:
            JobError: it cannot be read.
        """
        with self._told():
            if self._kept is not None:
                yield self._kept
                return
            with closing(self._open_to_read()) as connection:
                yield connection

    @contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """Give a connection, inside a transaction that ends with the block.

        Raises:
            JobError: there is no store, or it cannot be written.
        """
        with self._told():
            if self._kept is not None:
                with _transaction(self._kept):
                    yield self._kept
                return
            with closing(self._open()) as connection, _transaction(connection):
                yield connection

    def _open(self) -> sqlite3.Connection:
        if not self.exists():
            self._make()
        connection = _connect(f"{self.path.as_uri()}?mode=rw")
        try:
            self._check(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        [found] = connection.execute("PRAGMA user_version").fetchone()
        if found != VERSION:
            raise JobError(
                f"the table of jobs {self.path} has version {found}, not {VERSION}: another "
                "version of DeltaNAS made it; use that, or move the file away"
            )

    def _make(self) -> None:
        if not self.store.is_dir():
            raise JobError(f"there is no store at {self.store}; `deltanas init` makes one")
        self.folder.mkdir(exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        # SQLite does not wait where two processes turn a new file to WAL at once.
        with (self.folder / "jobs.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.exists():
                return
            made = self.folder / "jobs.sqlite3.new"
            made.unlink(missing_ok=True)
            with closing(_connect(f"{made.as_uri()}?mode=rwc")) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(
                    f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
                )
            made.rename(self.path)

    def _open_to_read(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _CLOSED_TO_US:
                raise
            return _connect(f"{self.path.as_uri()}?immutable=1")

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            remedy = "is the disk full, or the store read-only?"
            if not isinstance(error, sqlite3.OperationalError):
                remedy = "move it away: it holds nothing but the jobs"
            raise JobError(f"the table of jobs {self.path} failed ({error}); {remedy}") from error
        except OSError as error:
            raise JobError(f"the jobs in {self.folder} cannot be kept: {error}") from error


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def job_of(row: sqlite3.Row) -> Job:
    """Return the job of a row that `JOBS` selects."""
    return Job(
        id=row["id"],
        kind=row["kind"],
        owner=row["owner"],
        device=row["device"],
        arguments=json.loads(row["arguments"]),
        state=row["state"],
        created_at=datetime.fromtimestamp(row["created"], UTC),
        started_at=_moment(row["started"]),
        ended_at=_moment(row["ended"]),
        progress=row["progress"],
        total=row["total"],
        message=row["message"],
        queue_position=row["position"],
        result=None if row["result"] is None else json.loads(row["result"]),
        error=row["error"],
    )


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
