"""Ref transactions through one ``git update-ref --stdin`` process that stays.

A process for each transaction would cost ten times what the transaction does. Git answers each
step, so what was acknowledged is done; if we die, git sees the end of its input, gives up what was
not committed and lets go of its locks.
Source: git-update-ref(1), "start", "prepare", "commit".
"""

import contextlib
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from deltanas_repo_store.repository import RefChange, ref_locks

_ZERO = "0" * 40


class RefsRefused(Exception):
    """Git refused a transaction, and has changed nothing. The message is git's own."""


class RefUpdates:
    """Runs transactions on the refs of the repository at ``path``, one at a time."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = dict(environment)
        self._mutex = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._complaints: IO[bytes] | None = None
        self._writers: IO[str] | None = None

    def close(self) -> None:
        """End the process; the next transaction starts another."""
        with self._mutex:
            self._stop()
            writers, self._writers = self._writers, None
            if writers is not None:
                writers.close()

    def __del__(self) -> None:
        """End the process of a store that nobody has closed."""
        self.close()

    def run(self, changes: Sequence[RefChange]) -> None:
        """Apply all changes or none.

        Raises:
            RefsRefused: a ref is not as its change expects it, is locked, or cannot be written.
            OSError: git cannot be started.
        """
        lines = [
            f"update {each.ref}\0{each.new or _ZERO}\0{each.old or _ZERO}\0" for each in changes
        ]
        script = "".join(["start\0", *lines, "prepare\0", "commit\0"]).encode()
        with self._mutex:
            process = self._running()
            assert self._writers is not None
            with ref_locks.writing(self._writers):
                try:
                    done = _done(process, script)
                except BaseException:
                    self._stop()  # or the answers to this would be taken for the next one's
                    raise
                if not done:
                    raise RefsRefused(self._stop())

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self._stop()
            self._writers = self._writers or ref_locks.open_writers_file(self._path)
            self._complaints = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `_stop`
            self._process = subprocess.Popen(
                ["git", "update-ref", "--stdin", "-z"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=self._environment,
                # A Ctrl-C or a kill of our process group must not stop git between two renames.
                start_new_session=True,
                # While it has this open, it holds the lock with us, and after us.
                pass_fds=[self._writers.fileno()],
            )
        return self._process

    def _stop(self) -> str:
        """End the process and return what it complained of."""
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            process.wait()
        complaints, self._complaints = self._complaints, None
        if complaints is None:
            return ""
        with complaints:
            complaints.seek(0)
            return complaints.read().decode(errors="replace").strip()


def _done(process: "subprocess.Popen[bytes]", script: bytes) -> bool:
    """Give git a transaction, and say whether it acknowledged each step."""
    assert process.stdin is not None
    assert process.stdout is not None
    # A process that has ended is told of by its answer, which is missing.
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(script)
        process.stdin.flush()
    return all(
        process.stdout.readline() == step + b": ok\n" for step in (b"start", b"prepare", b"commit")
    )
