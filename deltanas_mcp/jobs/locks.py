"""Locks that the kernel lets go of when their holder dies, however that comes.

Whoever holds the role of a store's device is its worker, or looks after its rows for a moment.
"""

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deltanas_repo_store.errors import JobError


class FileLock:
    """A lock of a file that this process holds; its descriptor can be handed to another."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def release(self) -> None:
        """Let go of it for all who share the descriptor, such as a fork on its way to exec."""
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)

    def hand_over(self) -> None:
        """Close this process's descriptor; another one that has it holds the lock from now on."""
        os.close(self.fd)


def try_lock(path: Path, *, shared: bool = False) -> FileLock | None:
    """Take the lock of the file at ``path``; None where another holds it.

    Raises:
        JobError: the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise JobError(f"the lock {path} cannot be made: {error.strerror}") from error
    try:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return FileLock(fd)


class DeviceLock:
    """The machine's lock of a device, for one job at a time over all stores."""

    def __init__(self, folder: Path, device: str) -> None:
        name = "cuda:0" if device == "cuda" else device
        self._lock = folder / f"{name}.lock"
        self._waiting = folder / f"{name}.waiting"

    def try_take(self) -> FileLock | None:
        """Return the lock if nobody has it."""
        return try_lock(self._lock)

    @contextmanager
    def queueing(self) -> Generator[None]:
        """Have whoever holds the device see that somebody waits for it."""
        mark = try_lock(self._waiting, shared=True)
        try:
            yield
        finally:
            if mark is not None:
                mark.release()

    def is_wanted(self) -> bool:
        """Say whether somebody waits."""
        mark = try_lock(self._waiting)
        if mark is not None:
            mark.release()
        return mark is None
