"""What the server and the command line do with jobs."""

import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from deltanas_mcp.jobs.processes import kill_tree
from deltanas_mcp.jobs.records import DEVICE_PATTERN, Job, JobKind, JobState
from deltanas_mcp.jobs.table import JOBS, JobTable, job_of
from deltanas_mcp.jobs.tending import tend
from deltanas_repo_store.errors import ConfigError, JobError

IDLE_SECONDS = 60.0
"""How long a worker stays without work, so that the next job finds it warm."""
MAX_KEPT = 1000
"""Jobs that are kept after their end, with their logs."""
CANCEL_SECONDS = 0.6
"""How long a worker has to end a job and all it started, before it is killed itself."""
KILL_SECONDS = 0.5
LOOK_SECONDS = 0.02
MAX_LOG_BYTES = 64 * 1024
_ENDED = "state NOT IN ('queued', 'running')"


class Jobs:
    """The jobs of the store at ``store``. Safe to use from several threads and processes."""

    def __init__(
        self,
        store: Path,
        *,
        max_queued: int = 32,
        max_queued_per_owner: int = 16,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._table = JobTable(store.absolute())
        self._max_queued = max_queued
        self._max_queued_per_owner = max_queued_per_owner
        self._idle_seconds = idle_seconds

    def submit(
        self,
        kind: JobKind,
        arguments: Mapping[str, JsonValue],
        *,
        owner: str,
        device: str = "cpu",
        idempotency_key: str = "",
    ) -> Job:
        """Queue a job, and see that somebody works on it; a key finds the one that it made.

        Raises:
            ConfigError: there cannot be such a device.
            JobError: the queue is full, the key made another job, or the store cannot be written.
        """
        if not re.fullmatch(DEVICE_PATTERN, device):
            raise ConfigError(f"{device!r} is no device; expected cpu, cuda or cuda:0")
        text = json.dumps(dict(arguments), sort_keys=True)
        with self._table.writing() as rows:
            job_id = idempotency_key and _made_by(
                rows, owner, kind, idempotency_key, (text, device)
            )
            if not job_id:
                self._check_limits(rows, owner)
                job_id = _new_id()
                rows.execute(
                    "INSERT INTO job (id, kind, owner, device, arguments, key, created) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (job_id, kind, owner, device, text, idempotency_key, time.time()),
                )
                self._forget_old(rows)
        return self.get(job_id, owner=owner)

    def get(self, job_id: str, *, owner: str | None) -> Job:
        """Return a job as it is now; ``owner`` None sees everybody's.

        Raises:
            JobError: there is no such job, or it is another owner's.
        """
        job = self._row(job_id, owner)
        if not job.ended and self._tend((job.device,)):
            job = self._row(job_id, owner)
        return job

    def list(
        self, *, owner: str | None, state: JobState | None = None, limit: int = 50
    ) -> tuple[Job, ...]:
        """Return jobs, the newest first; ``owner`` None sees everybody's."""
        if not self._table.exists():
            return ()
        self._tend(self._devices())
        question = f"{JOBS} WHERE (:o IS NULL OR owner = :o) AND (:s IS NULL OR state = :s)"
        with self._table.reading() as rows:
            found = rows.execute(
                f"{question} ORDER BY n DESC LIMIT :limit",
                {"o": owner, "s": state, "limit": limit},
            ).fetchall()
        return tuple(job_of(row) for row in found)

    def cancel(self, job_id: str, *, owner: str | None) -> Job:
        """End a job and all it started; one that has ended stays as it is.

        Returns the row after that: of a job that ended by itself in the meantime, it says so.

        Raises:
            JobError: there is no such job, it is another owner's, or it cannot be killed.
        """
        job = self.get(job_id, owner=owner)
        with self._table.writing() as rows:
            rows.execute(
                "UPDATE job SET state = 'cancelled', ended = ? WHERE id = ? AND state = 'queued'",
                (time.time(), job_id),
            )
            rows.execute(
                "UPDATE job SET cancelling = 1 WHERE id = ? AND state = 'running'", (job_id,)
            )
        if self._has_ended(job_id, CANCEL_SECONDS):
            return self._row(job_id, owner)
        # The worker hangs, or was stopped: it goes, and its row ends as that of any dead worker.
        with self._table.reading() as rows:
            [worker] = rows.execute("SELECT worker FROM job WHERE id = ?", (job_id,)).fetchone()
        kill_tree(worker, seconds=KILL_SECONDS)
        self._tend((job.device,))
        if not self._has_ended(job_id, KILL_SECONDS):
            raise JobError(
                f"the job {job_id} is told to end, and has not yet: its worker hangs in the "
                "kernel, or runs on another machine or in another container"
            )
        return self._row(job_id, owner)

    def log(self, job_id: str, *, owner: str | None, lines: int = 50) -> str:
        """Return the end of what a job has printed, without control characters: safe to show.

        Raises:
            JobError: there is no such job, or it is another owner's.
        """
        self._row(job_id, owner)
        try:
            with self._table.log(job_id).open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(size - MAX_LOG_BYTES, 0))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""
        from deltanas_tools.sandbox.messages import clean_text  # not at the start of a server

        return "\n".join(clean_text(text).splitlines()[-lines:]) if lines > 0 else ""

    def changes(self) -> int:
        """Return a number that grows whenever any job changes."""
        if not self._table.exists():
            return 0
        self._tend(self._devices())
        with self._table.reading() as rows:
            [found] = rows.execute("SELECT n FROM change").fetchone()
        return int(found)

    def recover(self) -> None:
        """End the rows of workers that are dead, and start a worker where jobs are queued.

        Raises:
            JobError: the rows cannot be written.
        """
        if self._table.exists():
            self._tend(self._devices())

    def _row(self, job_id: str, owner: str | None) -> Job:
        if self._table.exists():
            with self._table.reading() as rows:
                row = rows.execute(f"{JOBS} WHERE id = ?", (job_id,)).fetchone()
            if row is not None and owner in (None, row["owner"]):
                return job_of(row)
        # The same words for another owner's: what exists is not theirs to know.
        raise JobError(
            f"there is no job {job_id[:64]!r}; list_jobs (or `deltanas jobs list`) has them"
        )

    def _devices(self) -> tuple[str, ...]:
        """Return the devices with jobs that have not ended."""
        with self._table.reading() as rows:
            found = rows.execute(
                "SELECT device FROM job WHERE state = 'queued' "
                "UNION SELECT device FROM job WHERE state = 'running'"
            ).fetchall()
        return tuple(device for (device,) in found)

    def _tend(self, devices: Sequence[str]) -> bool:
        """See after the workers of these devices, where we may write; says whether we may."""
        if not os.access(self._table.folder, os.W_OK):
            return False
        for device in devices:
            tend(self._table, device, idle_seconds=self._idle_seconds)
        return True

    def _has_ended(self, job_id: str, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self._row(job_id, None).ended:
            if time.monotonic() > deadline:
                return False
            time.sleep(LOOK_SECONDS)
        return True

    def _check_limits(self, rows: sqlite3.Connection, owner: str) -> None:
        question = "SELECT count(*), coalesce(sum(owner = ?), 0) FROM job WHERE state = 'queued'"
        queued, own = rows.execute(question, (owner,)).fetchone()
        limits = ((queued, self._max_queued, ""), (own, self._max_queued_per_owner, "of your "))
        for waiting, most, whose in limits:
            if waiting >= most:
                raise JobError(
                    f"the queue is full: {waiting} {whose}jobs wait, of at most {most}; wait until "
                    "one has ended (get_job), or cancel one (cancel_job)"
                )

    def _forget_old(self, rows: sqlite3.Connection) -> None:
        oldest = f"SELECT n FROM job WHERE {_ENDED} ORDER BY n DESC LIMIT 1 OFFSET {MAX_KEPT}"
        gone = rows.execute(
            f"DELETE FROM job WHERE {_ENDED} AND n <= ({oldest}) RETURNING id"
        ).fetchall()
        for (job_id,) in gone:
            with suppress(FileNotFoundError):
                self._table.log(job_id).unlink()


def _made_by(
    rows: sqlite3.Connection, owner: str, kind: JobKind, key: str, asked: tuple[str, str]
) -> str:
    """Return the id of the job that a key made; empty if it made none."""
    found = rows.execute(
        "SELECT id, arguments, device FROM job WHERE owner = ? AND kind = ? AND key = ?",
        (owner, kind, key),
    ).fetchone()
    if found is None:
        return ""
    if (found["arguments"], found["device"]) != asked:
        raise JobError(
            f"the idempotency_key {key[:64]!r} made the job {found['id']}, with other arguments: "
            "give the same arguments to get that one, or another key for a new job"
        )
    return str(found["id"])


def _new_id() -> str:
    # A leading hyphen would be an option on a command line.
    while (job_id := secrets.token_urlsafe(18)).startswith("-"):
        pass
    return job_id
