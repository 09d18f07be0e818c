"""A folder to work in that is gone afterwards, even where its owner was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder(parent: Path, name: str) -> Generator[Path]:
    """Make a hidden folder in ``parent`` while the block runs.

    Folders of the same name that a killed process left behind are deleted first: a living owner
    holds a lock on its folder, which ends with the process.
    """
    prefix = f".{name}-"
    for left in parent.glob(f"{prefix}*"):
        _delete_if_left_behind(left)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = _lock(folder, fcntl.LOCK_EX)
        if folder.exists():
            break
        # Somebody took it for left behind, between its making and its locking.
        _unlock(lock)
    try:
        yield folder
    finally:
        # Deleted by somebody else at worst, so nothing to complain about.
        shutil.rmtree(folder, ignore_errors=True)
        _unlock(lock)


def _delete_if_left_behind(folder: Path) -> None:
    lock = _lock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    if lock is not None:
        shutil.rmtree(folder, ignore_errors=True)
        _unlock(lock)


def _lock(folder: Path, operation: int) -> int | None:
    """Return a descriptor with the lock; None where it is taken, or cannot be had, as over NFS."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, operation)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
    return None


def _unlock(descriptor: int | None) -> None:
    if descriptor is not None:
        os.close(descriptor)
