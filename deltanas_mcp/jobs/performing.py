"""The worker's side of the process that does the work."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from pydantic import JsonValue

from deltanas_mcp.jobs.processes import kill_below, reap
from deltanas_mcp.jobs.records import Job, JobKind

STOP_SECONDS = 0.25
"""How long it has to end by itself, once it is told to."""
LEAVE_SECONDS = 2.0
"""The same where it is not in a hurry."""
KILL_SECONDS = 5.0
_CHUNK = 2**16


class Performing:
    """A process that performs jobs, and everything below it, in the hands of a worker."""

    def __init__(self, store: Path) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "deltanas_mcp.jobs.performer"),
                    *(str(theirs.fileno()), str(store)),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,
            )
        self._buffer = b""
        self._last: JobKind | None = None

    def may_take(self, job: Job) -> bool:
        """Say whether it can do another job: what it holds in memory must not add up."""
        if self.process.poll() is not None:
            return False
        return self._last in (None, "train") or self._last == job.kind == "propose"

    def ask(self, job: Job, log: Path) -> None:
        """Have it begin a job. Where it is dead, `hear` tells."""
        self._last = job.kind
        words = {
            "kind": job.kind,
            "arguments": job.arguments,
            "device": job.device,
            "log": str(log),
        }
        with suppress(BrokenPipeError, ConnectionResetError):
            self._control.sendall(json.dumps(words).encode() + b"\n")

    def hear(self, seconds: float) -> list[dict[str, JsonValue]] | None:
        """Return what it has said, after so many seconds at most; None once it is gone."""
        if not select.select([self._control], [], [], seconds)[0]:
            return []
        try:
            chunk = self._control.recv(_CHUNK)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            return None
        *lines, self._buffer = (self._buffer + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def stop(self) -> list[dict[str, JsonValue]]:
        """End it and everything it started, soon; returns what it said in the meantime."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        said: list[dict[str, JsonValue]] = []
        deadline = time.monotonic() + STOP_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            heard = self.hear(left)
            if heard is None:
                break
            said += heard
        self._end()
        return said

    def leave(self) -> None:
        """Let it end by itself; what has not after a while is killed."""
        with suppress(OSError, subprocess.TimeoutExpired):
            self._control.shutdown(socket.SHUT_RDWR)
            self.process.wait(LEAVE_SECONDS)
        self._end()

    def fate(self) -> str:
        """Return how it ended, in words, once it has hung up; what it left behind is killed."""
        self.leave()
        code = self.process.returncode
        if code >= 0:
            return f"the process that worked on it ended with exit code {code}"
        why = " (out of memory?)" if code == -signal.SIGKILL else ""
        return f"the process that worked on it was killed by signal {-code}{why}"

    def _end(self) -> None:
        # This worker adopts what its processes leave behind: nothing gets away.
        kill_below(os.getpid(), seconds=KILL_SECONDS)
        self.process.wait()
        reap()
        self._control.close()
