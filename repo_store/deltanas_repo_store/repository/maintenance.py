"""Keeps a store small and quick: refs and objects in packs, and what killed processes left behind.

Nothing that any ref has is ever dropped, and neither is an object that none has: packs are merged
whole. A thousand candidates are a slice; with ``--geometric`` git merges slices so that an object
is packed again only a logarithmic number of times.
Source: git-repack(1), git-pack-refs(1), git-commit-graph(1).
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from deltanas_repo_store.records import Record

DUE_OBJECTS = 6000
"""Loose objects from which maintenance is due: those of a thousand candidates."""

LEFT_OVER_SECONDS = 24 * 3600.0
"""Age from which a temporary file can only be left over from a process that was killed."""

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("refs", ("pack-refs", "--all")),
    # Without -n git writes a list of all refs for the web, which takes as long as reading them all.
    ("objects", ("repack", "-d", "-l", "-q", "-n", "--geometric=2", "--window=50")),
    ("history", ("commit-graph", "write", "--reachable", "--split", "--no-progress")),
)


class Maintained(Record):
    """What a maintenance has found and left."""

    loose_before: int
    loose_after: int
    packs: int
    bytes: int
    """Of objects and packed refs; the index is not counted, since it can be made anew."""
    removed: int
    """Left-over temporary files that are gone."""


def is_due(repository: Path) -> bool:
    """Say whether about a thousand candidates are loose, by looking at one folder of 256."""
    try:
        return len(os.listdir(repository / "objects" / "17")) * 256 > DUE_OBJECTS
    except FileNotFoundError:
        return False


def maintain(
    repository: Path, git: Callable[..., object], progress: Callable[[str], None]
) -> Maintained:
    """Pack refs, objects and history of the repository; ``git`` runs one command of git."""
    before = _loose(repository)
    for what, command in STEPS:
        progress(what)
        git(*command)
    progress("left-over files")
    removed = _remove_left_over(repository / "objects")
    packs = list((repository / "objects" / "pack").glob("*.pack"))
    files = [each for each in (repository / "objects").rglob("*") if each.is_file()]
    packed_refs = repository / "packed-refs"
    sizes = [each.stat().st_size for each in (*files, packed_refs) if each.exists()]
    return Maintained(
        loose_before=before,
        loose_after=_loose(repository),
        packs=len(packs),
        bytes=sum(sizes),
        removed=removed,
    )


def _loose(repository: Path) -> int:
    return sum(1 for _ in (repository / "objects").glob("[0-9a-f][0-9a-f]/" + "[0-9a-f]" * 38))


def _remove_left_over(objects: Path) -> int:
    """Remove temporary files that are a day old; git itself leaves them to ``git gc``."""
    removed = 0
    for pattern in ("*/tmp_*", "pack/.tmp-*"):
        for each in objects.glob(pattern):
            if each.is_file() and time.time() - each.stat().st_mtime > LEFT_OVER_SECONDS:
                each.unlink(missing_ok=True)
                removed += 1
    return removed
