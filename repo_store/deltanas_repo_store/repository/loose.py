"""Single objects as files: each on the disk before its name appears.

Plain system calls, since a candidate is nine objects and pathlib and tempfile would cost more than
the files do. Source: gitrepository-layout(5).
"""

import contextlib
import errno
import itertools
import os
import zlib

from deltanas_repo_store.repository.objects import GitObject

_NUMBERS = itertools.count()
_PROCESS = os.urandom(6).hex()
"""Since process ids come again, above all in containers, and files are left over from a kill."""
_PLACE_TRIES = 10
"""``git gc`` removes folders that are empty, as ours is until the file is there."""


def write_loose(folder: str, each: GitObject) -> None:
    """Write an object into the folder of objects, unless it is there and sound.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    place = f"{folder}/{each.id[:2]}"
    target = f"{place}/{each.id[2:]}"
    if _is_there(target, each):
        return
    # git prunes files of this name when it finds them left over.
    temporary = f"{place}/tmp_obj_{_PROCESS}_{os.getpid()}_{next(_NUMBERS)}"
    descriptor = _created(place, temporary)
    try:
        with open(descriptor, "wb", buffering=0) as file:
            data = memoryview(zlib.compress(each.framed, 1))
            while data:
                data = data[file.write(data) :]
            os.fsync(descriptor)
        os.rename(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _created(place: str, temporary: str) -> int:
    for _ in range(_PLACE_TRIES):
        with contextlib.suppress(FileNotFoundError):
            return os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        with contextlib.suppress(FileExistsError):
            os.mkdir(place)
    raise FileNotFoundError(errno.ENOENT, f"{place} keeps being removed")


def _is_there(target: str, each: GitObject) -> bool:
    """Say whether the object's file is there and whole: a disk may have lost a part of it."""
    try:
        with open(target, "rb", buffering=0) as file:
            return zlib.decompress(file.read()) == each.framed
    except (FileNotFoundError, zlib.error):
        return False
