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
_PACKED = "packed-refs"
_UNSETTLED = -1
"""Time of what is known to be there, and changed too recently to say when."""


def changed_since(repository: Path, state: str) -> tuple[tuple[str, ...], str]:
    """Return the prefixes below which refs may have changed, and the present state.

    ``state`` is what an earlier call returned, or empty. The state is taken before the caller
    lists anything, so what changes after it shows the next time.
    """
    now = time.time_ns()
    known: dict[str, int] = json.loads(state) if state else {}
    present = {_PACKED: _time_of(repository / _PACKED)}
    changed = _walk(repository, known, present)
    if EVERYWHERE not in known or present[_PACKED] != known.get(_PACKED):
        changed = [EVERYWHERE]
    settled = {
        each: at if now - at > SETTLED_SECONDS * 1e9 else _UNSETTLED for each, at in present.items()
    }
    return tuple(changed), json.dumps(settled)


def _walk(repository: Path, known: dict[str, int], present: dict[str, int]) -> list[str]:
    """Note the time of every folder of refs, and return those that changed."""
    below: dict[str, list[str]] = {}
    for folder in known:
        below.setdefault(folder[: folder.rstrip("/").rfind("/") + 1], []).append(folder)
    changed: list[str] = []
    waiting = [EVERYWHERE]
    while waiting:
        folder = waiting.pop()
        present[folder] = _time_of(repository / folder)
        if present[folder] == known.get(folder):
            waiting += below.get(folder, [])
            continue
        changed.append(folder)
        gone = contextlib.suppress(FileNotFoundError, NotADirectoryError)
        with gone, os.scandir(repository / folder) as entries:
            waiting += [f"{folder}{each.name}/" for each in entries if each.is_dir()]
    return changed


def _time_of(path: Path) -> int:
    """Return when a file or folder last changed, in ns; 0 where it is not there."""
    try:
        return path.stat().st_ctime_ns
    except FileNotFoundError:
        return 0
