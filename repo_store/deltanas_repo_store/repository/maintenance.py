"""Keeps a store small and quick: refs and objects in packs, and what killed processes left behind.

Nothing that any ref has is ever dropped, and neither is an object that none has: packs are merged
whole. A thousand candidates are a slice; with ``--geometric`` git merges slices so that an object
is packed again only a logarithmic number of times.
Source: git-repack(1), git-pack-refs(1), git-commit-graph(1).
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from deltanas_repo_store.records import Record

DUE_OBJECTS = 6000
"""Loose objects from which maintenance is due: those of a thousand candidates."""

ID_LENGTH = 40
"""Digits of an object's id: the first two are its folder's name."""
MOST_PACKS = 8
"""Packs from which maintenance is due: an import leaves one for each 500 networks, and their refs
as files. Merged geometrically there are fewer."""

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
    """Say whether about a thousand candidates are loose, by one folder of 256, or packs many."""
    objects = repository / "objects"
    with contextlib.suppress(FileNotFoundError):
        if len(os.listdir(objects / "17")) * 256 > DUE_OBJECTS:
            return True
    return sum(name.endswith(".pack") for name in os.listdir(objects / "pack")) > MOST_PACKS


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
    objects = repository / "objects"
    packs = list((objects / "pack").glob("*.pack"))
    return Maintained(
        loose_before=before,
        loose_after=_loose(repository),
        packs=len(packs),
        bytes=sum(map(_size, [*_files(objects), repository / "packed-refs"])),
        removed=removed,
    )


def _loose(repository: Path) -> int:
    names = (each.parent.name + each.name for each in _files(repository / "objects"))
    return sum(len(name) == ID_LENGTH for name in names)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below a folder. Others write meanwhile: what vanishes is passed over."""
    for place, _, names in os.walk(folder):
        yield from (Path(place) / name for name in names)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _remove_left_over(objects: Path) -> int:
    """Remove temporary files that are a day old; git itself leaves them to ``git gc``."""
    removed = 0
    for each in _files(objects):
        if each.name.startswith(("tmp_", ".tmp-")):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - each.stat().st_mtime > LEFT_OVER_SECONDS:
                    each.unlink()
                    removed += 1
    return removed
