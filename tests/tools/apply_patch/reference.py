"""A slow, independent judge of plain hunks: every hunk is tried at every place.

A body is what stands below a hunk's header: lines that begin with " ", "-" or "+" (a line that
begins with a backslash is no line of the file). More than one text means that a refusal is due.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Fold = Callable[[str], str]

MAX_COMBINATIONS = 20_000
"""More than this is not worth a judge's time; no case of the corpus comes near."""

_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-"),
        **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
        "\u2026": "...",
    }
)


def exact(line: str) -> str:
    """The line as it is."""
    return line


def trailing(line: str) -> str:
    """The line without white space at its end."""
    return line.rstrip()


def spaces(line: str) -> str:
    """The line without any white space."""
    return re.sub(r"\s+", "", line)


def characters(line: str) -> str:
    """The line without white space, in plain quotes and dashes: the most that may be forgiven."""
    return spaces(line.translate(_TYPOGRAPHY))


FOLDS: tuple[Fold, ...] = (exact, trailing, spaces, characters)


@dataclass(frozen=True, order=True)
class Edit:
    """Put ``lines`` in the place of ``baseline[start:end]``; both count from 0."""

    start: int
    end: int
    lines: tuple[str, ...]


def file_lines(text: str) -> list[str]:
    r"""The lines of a text, without what follows a final ``\n``."""
    lines = text.split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def old_side(body: Iterable[str]) -> list[str]:
    """The lines that a hunk says are in the file."""
    return [line[1:] for line in body if line[:1] in (" ", "-")]


def new_side(body: Iterable[str]) -> list[str]:
    """The lines that a hunk says will be in the file."""
    return [line[1:] for line in body if line[:1] in (" ", "+")]


def sites(lines: Sequence[str], old: Sequence[str], fold: Fold = exact) -> list[int]:
    """Every index at which ``old`` stands in ``lines``, as ``fold`` sees them."""
    have, want = [fold(line) for line in lines], [fold(line) for line in old]
    last = len(have) - len(want)
    return [at for at in range(last + 1) if have[at : at + len(want)] == want]


def dense_sites(lines: Sequence[str], old: Sequence[str], fold: Fold = characters) -> list[int]:
    """The places of ``old`` where blank lines do not count either; -1 for nothing but blanks."""
    have = [fold(line) for line in lines if line.strip()]
    want = [fold(line) for line in old if line.strip()]
    return sites(have, want) if want else [-1] * 2


def edits_at(body: Iterable[str], at: int) -> list[Edit]:
    """What a hunk does when its first old line is ``baseline[at]``."""
    edits: list[Edit] = []
    start, end, added = at, at, list[str]()
    for line in [*body, " "]:
        if line[:1] == "-":
            end += 1
        elif line[:1] == "+":
            added.append(line[1:])
        elif line[:1] == " ":
            if end > start or added:
                edits.append(Edit(start, end, tuple(added)))
            start, end, added = end + 1, end + 1, []
    return edits


def kept_at(body: Iterable[str], at: int) -> set[int]:
    """The indices of the baseline that a hunk shows as context."""
    old = (line[:1] for line in body if line[:1] in (" ", "-"))
    return {at + offset for offset, marker in enumerate(old) if marker == " "}


def merged(lines: Sequence[str], edits: Iterable[Edit]) -> list[str] | None:
    """All edits made, equal ones once; None where they get in each other's way."""
    result: list[str] = []
    done, last = 0, -1
    for edit in sorted(set(edits)):
        if edit.start < done or edit.start == last:
            return None
        result += [*lines[done : edit.start], *edit.lines]
        done, last = edit.end, edit.start
    return [*result, *lines[done:]]


def results(baseline: str, bodies: Sequence[Sequence[str]], fold: Fold = exact) -> set[str]:
    """Every text that the hunks can mean; the final newline stays as the baseline has it."""
    lines, every = baseline.split("\n"), file_lines(baseline)
    places = [sites(every, old_side(body), fold) for body in bodies]
    if math.prod(map(len, places)) > MAX_COMBINATIONS:
        raise ValueError(f"too many combinations: {[len(place) for place in places]}")
    texts = (_combined(lines, bodies, chosen) for chosen in itertools.product(*places))
    return {text for text in texts if text is not None}


def _combined(
    lines: Sequence[str], bodies: Sequence[Sequence[str]], chosen: Sequence[int]
) -> str | None:
    edits = [edit for body, at in zip(bodies, chosen, strict=True) for edit in edits_at(body, at)]
    kept = set().union(*(kept_at(body, at) for body, at in zip(bodies, chosen, strict=True)))
    if any(index in kept for edit in edits for index in range(edit.start, edit.end)):
        return None
    result = merged(lines, edits)
    return None if result is None else "\n".join(result)


def first_results(baseline: str, bodies: Sequence[Sequence[str]]) -> set[str]:
    """The texts at the least forgiving fold that finds every hunk; empty where none does."""
    found = (results(baseline, bodies, fold) for fold in FOLDS)
    return next((texts for texts in found if texts), set())
