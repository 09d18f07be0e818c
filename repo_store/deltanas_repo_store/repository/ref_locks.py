"""Whose a lock of git's is: somebody's at work, or left over from a process that was killed.

Git locks a ref with a file beside it, ``X.lock``, and a process that is killed leaves the file
there, so that nobody can write that ref again. So whoever writes refs for us holds the kernel's
lock on one file, `WRITERS`, together with the git process that does it, which has it open: the
kernel lets go when both have ended. A lock of git's is left over if nobody holds that one, and no
other git process is as old as the lock.
Source: flock(2); git's lockfile.h; proc(5).
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

WRITERS = "deltanas/locks/writers.lock"

LEFT_OVER_SECONDS = 1.0
"""Age from which a lock that nobody holds is left over: git changes a ref in milliseconds."""
STALE_LOCK_SECONDS = 60.0
"""The same where another git process might hold it, or where processes cannot be seen."""


def open_writers_file(repository: Path) -> IO[str]:
    """Open the file that writers of refs hold, and that their git processes inherit."""
    path = repository / WRITERS
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("a", encoding="utf-8")


@contextmanager
def writing(held: IO[str]) -> Generator[None]:
    """Hold the lock that says that refs are being written; any number of writers may."""
    fcntl.flock(held, fcntl.LOCK_SH)
    try:
        yield
    finally:
        fcntl.flock(held, fcntl.LOCK_UN)


def clear_left_over(repository: Path, lock: Path) -> None:
    """Remove a lock of git's, if nobody who is alive can have made it.

    Raises:
        OSError: the file system refuses.
    """
    with contextlib.suppress(FileNotFoundError), open_writers_file(repository) as held:
        found = lock.stat()
        age = time.time() - found.st_mtime
        if age < LEFT_OVER_SECONDS:
            return
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if age < STALE_LOCK_SECONDS and _another_git_runs(repository.resolve(), age):
            return
        again = lock.stat()
        if (again.st_ino, again.st_mtime_ns) == (found.st_ino, found.st_mtime_ns):
            lock.unlink()


def clear_all_left_over(repository: Path) -> None:
    """Remove every lock of a ref that nobody who is alive can have made.

    Raises:
        OSError: the file system refuses.
    """
    packed = [repository / name for name in ("HEAD.lock", "packed-refs.lock", "packed-refs.new")]
    for lock in (*packed, *(repository / "refs").rglob("*.lock")):
        clear_left_over(repository, lock)


def _another_git_runs(repository: Path, age: float) -> bool:
    """Say whether a git process that is not ours may have been at work ``age`` seconds ago."""
    try:
        processes = [each for each in os.listdir("/proc") if each.isdecimal()]
        return any(_is_another_git(Path("/proc") / each, repository, age) for each in processes)
    except OSError:
        return True


def _is_another_git(process: Path, repository: Path, age: float) -> bool:
    try:
        stat = (process / "stat").read_text(errors="replace")
        name, _, rest = stat.partition("(")[2].rpartition(")")
        fields = rest.split()
        began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        younger = time.clock_gettime(time.CLOCK_BOOTTIME) - began < age - 1.0
        if not name.startswith("git") or fields[0] == "Z" or younger:
            return False
        return _may_write(process, repository)
    except (FileNotFoundError, ProcessLookupError):
        return False  # it has ended while we looked
    except PermissionError:
        return True


def _may_write(process: Path, repository: Path) -> bool:
    """Say whether a git process may write refs of the repository, and is not one of ours."""
    arguments = (process / "cmdline").read_bytes()
    # GitPython's readers stay for as long as a store is open.
    if b"\0cat-file\0" in arguments:
        return False
    opened = [os.path.realpath(each) for each in (process / "fd").iterdir()]
    if str(repository / WRITERS) in opened:
        return False
    if b"--git-dir" in arguments or (repository / "worktrees").exists():
        return True
    # Git goes to the repository that it works on, unless it is told of it.
    folder = Path(os.readlink(process / "cwd"))
    variables = (process / "environ").read_bytes().split(b"\0")
    told = [os.fsdecode(each[8:]) for each in variables if each.startswith(b"GIT_DIR=")]
    places = [(folder / each).resolve() for each in (".", *told)]
    return any(place.is_relative_to(repository) for place in places)
