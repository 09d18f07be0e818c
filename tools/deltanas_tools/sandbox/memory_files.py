"""Files without a name, in memory: how large values travel to and from a child."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

# `fcntl` has no names for these before Python 3.13 (``man 2 fcntl``).
_ADD_SEALS = 1033
_SEAL, _SHRINK, _GROW, _WRITE = 1, 2, 4, 8
_CHUNK = 2**20


@contextmanager
def memory_file(name: str) -> Iterator[int]:
    """Open an empty file in memory and yield its descriptor; it is gone with the block.

    What it may grow to is the child's limit on files (`messages.Limits.file_bytes`).
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def result_file(name: str, size: int) -> Iterator[int]:
    """Open a file of ``size`` bytes that cannot change its size; all its bits are set.

    Floats of nothing but set bits are NaN: what a child does not write cannot pass for a result.
    """
    with memory_file(name) as fd:
        for start in range(0, size, _CHUNK):
            os.pwrite(fd, b"\xff" * min(_CHUNK, size - start), start)
        fcntl.fcntl(fd, _ADD_SEALS, _SEAL | _SHRINK | _GROW)
        yield fd


def freeze(fd: int) -> None:
    """Let nobody change the file any more.

    Raises:
        OSError: somebody still has it mapped for writing.
    """
    fcntl.fcntl(fd, _ADD_SEALS, _SEAL | _SHRINK | _GROW | _WRITE)


def read_all(fd: int) -> bytes:
    """Read a file from its beginning, wherever a child left its position."""
    size = os.fstat(fd).st_size
    parts = []
    done = 0
    while done < size and (part := os.pread(fd, size - done, done)):
        parts.append(part)
        done += len(part)
    return b"".join(parts)


def write_all(fd: int, data: bytes | memoryview, start: int = 0) -> None:
    """Write ``data`` from ``start`` on.

    Raises:
        OSError: a limit or a seal is in the way.
    """
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, start)
        start, view = start + written, view[written:]
