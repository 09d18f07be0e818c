"""Seeing that a device's jobs have a worker, and that rows of a dead one say so.

Whether a worker lives is whether somebody holds its role. The role is taken before the worker is
started and handed to it, and let go of only inside a transaction that finds nothing queued: so
there is no moment at which a queued job has nobody.
"""

import logging
import os
import sqlite3
import subprocess
import sys
import time

from deltanas_mcp.jobs.locks import FileLock, try_lock
from deltanas_mcp.jobs.table import JobTable

logger = logging.getLogger(__name__)

DIED = (
    "its worker ended without a word (killed, or out of memory): start it again. What was finished "
    "is in the store; a candidate that was not is still pending"
)
SECRETS = ("DELTANAS_HTTP_TOKEN",)
"""Environment variables of a server that its workers have no use for."""
_TOLD_CHARS = 500


def tend(table: JobTable, device: str, *, idle_seconds: float) -> None:
    """Have a worker if something is queued; where there was one that died, end its rows.

    Raises:
        JobError: the rows cannot be written.
    """
    role = try_lock(table.role(device))
    if role is None:
        return
    with table.writing() as rows:
        bury(rows, device)
        if not num_queued(rows, device):
            role.release()
            return
    if said := _start(table, device, role, idle_seconds):
        logger.error("a worker cannot be started", extra={"device": device, "said": said})
        with table.writing() as rows:
            rows.execute(
                "UPDATE job SET state = 'failed', ended = ?, error = ? "
                "WHERE state = 'queued' AND device = ?",
                (time.time(), f"its worker cannot be started: {said}", device),
            )
            role.release()
    else:
        role.hand_over()


def retire(table: JobTable, device: str, role: FileLock) -> bool:
    """Give the role of a worker back; False where a job is queued, which it is to take first."""
    with table.writing() as rows:
        if num_queued(rows, device):
            return False
        role.release()
        return True


def bury(rows: sqlite3.Connection, device: str) -> None:
    """End the rows of a worker that is dead. Only who holds its role may say so."""
    rows.execute(
        "UPDATE job SET ended = ?, state = iif(cancelling, 'cancelled', 'failed'), "
        "error = iif(cancelling, '', ?) WHERE state = 'running' AND device = ?",
        (time.time(), DIED, device),
    )


def num_queued(rows: sqlite3.Connection, device: str) -> int:
    """Return how many jobs wait for a device."""
    question = "SELECT count(*) FROM job WHERE state = 'queued' AND device = ?"
    [found] = rows.execute(question, (device,)).fetchone()
    return int(found)


def _start(table: JobTable, device: str, role: FileLock, idle_seconds: float) -> str:
    """Start a worker that has the role; what it said if it did not come up."""
    path = table.logs / f"worker-{device}.log"
    command = [sys.executable, "-P", "-m", "deltanas_mcp.jobs.worker"]
    with path.open("wb") as log:
        # It detaches itself, and this first process ends once it is ready to be asked.
        started = subprocess.run(
            [*command, str(table.store), device, str(role.fd), str(idle_seconds)],
            pass_fds=[role.fd],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={name: value for name, value in os.environ.items() if name not in SECRETS},
            start_new_session=True,
            check=False,
        )
    if started.returncode == 0:
        return ""
    said = path.read_text(errors="replace").strip()
    return said[-_TOLD_CHARS:] or f"it ended with {started.returncode}"
