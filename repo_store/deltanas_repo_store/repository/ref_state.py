"""Where refs may have changed, from the times of git's own files: no process, no listing.

Git keeps a ref as a file, whose creation, replacement and removal all change the time of its
folder, or as a line of ``packed-refs``, which is replaced as a whole. So a ref that changed shows
in one of a few folders. Times have a grain, and a second change within it would not show: a folder
that changed just now counts as changed once more. The time is ctime, which no copying program can
set back.
Source: gitrepository-layout(5); the problem is git's own "racy git" (technical/racy-git).
"""

import contextlib
import json
import os
import time
from pathlib import Path

SETTLED_SECONDS = 1.0
"""Age from which a folder's time is final; file systems have grains of 10 ms and less."""

EVERYWHERE = "refs/"
MOST_PREFIXES = 32
"""Where more folders have changed, one listing of all refs is cheaper."""

_PACKED = "packed-refs"
_NO_SUBFOLDERS = 2
"""Links to a folder without subfolders, on file systems that count them; 1 on those that do not."""
_UNSETTLED = -1
"""Time of what is known to be there, and changed too recently to say when."""


def changed_since(repository: Path, state: str) -> tuple[tuple[str, ...], str]:
    """Return the prefixes below which refs may have changed, and the present state.

    ``state`` is what an earlier call returned, or empty. The state is taken before the caller
    lists anything, so what changes after it shows the next time.
    """
    now = time.time_ns()
    known: dict[str, int] = json.loads(state) if state else {}
    present = {_PACKED: _time_of(f"{repository}/{_PACKED}")}
    changed = _walk(repository, known, present)
    everywhere = EVERYWHERE not in known or present[_PACKED] != known.get(_PACKED)
    if everywhere or len(changed) > MOST_PREFIXES:
        changed = [EVERYWHERE]
    settled = {
        each: at if now - at > SETTLED_SECONDS * 1e9 else _UNSETTLED for each, at in present.items()
    }
    return tuple(changed), json.dumps(settled)


def _walk(repository: Path, known: dict[str, int], present: dict[str, int]) -> list[str]:
    """Note the time of every folder of refs; return those that changed, the topmost alone."""
    below: dict[str, list[str]] = {}
    for folder in known:
        below.setdefault(folder[: folder.rstrip("/").rfind("/") + 1], []).append(folder)
    changed: list[str] = []
    waiting = [(EVERYWHERE, False)]
    while waiting:
        folder, covered = waiting.pop()
        present[folder], num_links = _time_and_links(f"{repository}/{folder}")
        if present[folder] == known.get(folder):
            waiting += [(each, covered) for each in below.get(folder, [])]
            continue
        if not covered:
            changed.append(folder)
        if num_links == _NO_SUBFOLDERS:
            continue
        gone = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with gone, os.scandir(repository / folder) as entries:
            waiting += [(f"{folder}{each.name}/", True) for each in entries if each.is_dir()]
    return changed


def _time_of(path: str) -> int:
    """Return when a file or folder last changed, in ns; 0 where it is not there."""
    return _time_and_links(path)[0]


def _time_and_links(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return 0, _NO_SUBFOLDERS
    return found.st_ctime_ns, found.st_nlink


def is_packed(repository: Path, ref: str) -> bool:
    """Say whether ``packed-refs``, which git keeps sorted, has a line for a ref."""
    wanted = ref.encode()
    try:
        file = (repository / _PACKED).open("rb")
    except FileNotFoundError:
        return False
    with file:
        low, high = 0, os.fstat(file.fileno()).st_size
        while low < high:
            middle = (low + high) // 2
            file.seek(middle)
            if middle:
                file.readline()  # the rest of a line that began before
            line = file.readline()
            while line.startswith((b"#", b"^")):
                line = file.readline()
            found = line[41:].rstrip(b"\n")
            if found == wanted:
                return True
            if line and found < wanted:
                low = middle + 1
            else:
                high = middle
    return False
