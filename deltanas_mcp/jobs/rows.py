"""The rows of one device, as its worker changes them."""

import json
import os
import time
from pathlib import Path

from pydantic import JsonValue

from deltanas_mcp.jobs.locks import FileLock
from deltanas_mcp.jobs.processes import identity
from deltanas_mcp.jobs.records import Job, JobState
from deltanas_mcp.jobs.table import JOBS, JobTable, job_of
from deltanas_mcp.jobs.tending import retire

Words = dict[str, JsonValue]
"""What a worker is told of a job: ``progress``, ``total`` and ``message``."""


class StoreGone(Exception):
    """The table of jobs is not at its place any more."""


class Rows:
    """The jobs of one device of a store. For one thread, which is that of the worker."""

    def __init__(self, store: Path, device: str) -> None:
        """Open the table.

        Raises:
            JobError: it cannot be opened.
        """
        self.store = store
        self.device = device
        self._table = JobTable(store)
        self._table.keep_open()
        self._file = _file_at(self._table.path)
        self._worker = identity(os.getpid())

    def look(self) -> None:
        """See whether the table is still there.

        Raises:
            StoreGone: it was removed or moved, or is another one.
        """
        if _file_at(self._table.path) != self._file:
            raise StoreGone

    def log(self, job: Job) -> Path:
        """Return where what a job prints goes."""
        return self._table.log(job.id)

    def following(self) -> Job | None:
        """Return the job that waits longest."""
        with self._table.reading() as rows:
            row = rows.execute(
                f"{JOBS} WHERE state = 'queued' AND device = ? ORDER BY n LIMIT 1", (self.device,)
            ).fetchone()
        return None if row is None else job_of(row)

    def claim(self) -> Job | None:
        """Begin the job that waits longest."""
        with self._table.writing() as rows:
            if (job := self.following()) is not None:
                rows.execute(
                    "UPDATE job SET state = 'running', started = ?, message = 'starting', "
                    "worker = ? WHERE id = ?",
                    (time.time(), self._worker, job.id),
                )
        return job

    def is_cancelled(self, job: Job) -> bool:
        """Say whether somebody wants the job to end."""
        with self._table.reading() as rows:
            row = rows.execute("SELECT cancelling FROM job WHERE id = ?", (job.id,)).fetchone()
        return row is None or bool(row["cancelling"])

    def tell(self, job: Job, words: Words) -> None:
        """Write how far a job is."""
        self._write(job, words)

    def end(
        self, job: Job, state: JobState, words: Words, *, result: JsonValue = None, error: str = ""
    ) -> None:
        """End a job. One that has ended stays as it is."""
        text = None if result is None else json.dumps(result)
        ended = {"state": state, "ended": time.time(), "result": text, "error": error}
        self._write(job, words | ended)

    def retire(self, role: FileLock) -> bool:
        """Give the worker's role back; False where a job waits, which is to be taken first."""
        return retire(self._table, self.device, role)

    def _write(self, job: Job, values: Words) -> None:
        changes = ", ".join(f"{name} = :{name}" for name in values)
        with self._table.writing() as rows:
            rows.execute(
                f"UPDATE job SET {changes} WHERE id = :id AND state IN ('queued', 'running')",
                {**values, "id": job.id},
            )


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
