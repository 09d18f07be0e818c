"""The networks that are edited: our baselines, and a sample of LEMUR where there is one."""

import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from deltanas_repo_store.baselines import baselines
from tests.tools.apply_patch.reference import Edit, file_lines, merged
from tests.tools.apply_patch.syntax import parsed, parses, statements

COMMENTS = (
    "# widen the features before they are pooled",
    "# one vector per image from here on",
    "# keep the resolution, change the number of channels",
    "# the optimiser sees every parameter of the network",
    "# a cheap projection of the input",
    "# normalise, then activate",
)


@dataclass(frozen=True)
class Source:
    """A network as a file: its text with LF line ends, and whether the file has CRLF."""

    name: str
    text: str
    crlf: bool = False


def our_sources() -> tuple[Source, ...]:
    """The baselines, as they are and with more comments, as LEMUR's files have them."""
    found = []
    for name, architecture in baselines().items():
        commented = _commented(architecture.source, Random(name))
        found += [Source(name, architecture.source), Source(f"{name}+comments", commented)]
    return tuple(found)


def lemur_sources(path: str, count: int = 150, seed: int = 0) -> tuple[Source, ...]:
    """A sample of LEMUR's networks, of a wheel or an unpacked folder; only ever read as text."""
    files = dict(_lemur_files(Path(path)))
    names = sorted(files)
    Random(seed).shuffle(names)
    found = (_source(name, files[name]()) for name in names)
    suitable = (source for source in found if source is not None)
    return tuple(source for source, _ in zip(suitable, range(count), strict=False))


def lemur_path() -> str | None:
    """Where the environment says that LEMUR is."""
    return os.environ.get("DELTANAS_LEMUR")


def _lemur_files(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    if path.is_file():
        wheel = zipfile.ZipFile(path)
        for name in wheel.namelist():
            if name.startswith("ab/nn/nn/") and name.endswith(".py"):
                yield Path(name).stem, lambda name=name: wheel.read(name)  # type: ignore[misc]
    else:
        for file in path.rglob("ab/nn/nn/*.py"):
            yield file.stem, file.read_bytes


def _source(name: str, data: bytes) -> Source | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    plain = text.replace("\r\n", "\n")
    mixed = text != plain and text != plain.replace("\n", "\r\n")
    if mixed or "\r" in plain or not 400 < len(plain) < 30_000 or not parses(plain):
        return None
    return Source(name, plain, crlf=text != plain)


def _commented(text: str, rng: Random) -> str:
    lines, tree = file_lines(text), parsed(text)
    comments: list[Edit] = []
    for statement in statements(tree, lines):
        if rng.random() < 0.25:
            at, indent = statement.lineno - 1, " " * statement.col_offset
            comments.append(Edit(at, at, (indent + rng.choice(COMMENTS),)))
    result = merged(text.split("\n"), comments)
    assert result is not None
    return "\n".join(result)


def with_crlf(text: str) -> str:
    """The text with CRLF at the end of every line."""
    return text.replace("\n", "\r\n")
