"""Reads a diff as models write them: header numbers are hints, and the parent knows its lines.

Lines are sorted out by what they say about the parent. What can be no part of the change is
dropped where it follows the change; anywhere else it is refused.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

from deltanas_tools.apply_patch import characters
from deltanas_tools.apply_patch.frame import BYTE_ORDER_MARK, Frame
from deltanas_tools.apply_patch.hunks import Hunk, HunkLine, Reading
from deltanas_tools.apply_patch.placeholders import is_elision
from deltanas_tools.apply_patch.regions import Region, cut
from deltanas_tools.apply_patch.result import Refusal, shown
from deltanas_tools.apply_patch.tail import NO_NEWLINE_MARKER, counted, end_of_change

MAX_HUNKS = 500
"""Hunks of one answer; a diff of a network has a handful."""

_NUMBERS = re.compile(r"@@\s*-(\d{1,9})(?:,(\d{1,9}))?\s+\+(\d{1,9})(?:,(\d{1,9}))?\s*@@")


def read_leniently(text: str, frame: Frame, *, enclosed: bool) -> Reading:
    """Read the hunks of ``text``, which is about the text in ``frame``.

    Args:
        text: A diff in any state, as `dressing.undress` returns it.
        frame: The text that the diff is about.
        enclosed: Whether something says that all of ``text`` is the diff.

    Raises:
        Refusal: there is no hunk, more than one file, or a line that can be no part of it.
    """
    regions, notes = cut(text, frame, enclosed=enclosed)
    if len(regions) > MAX_HUNKS:
        raise Refusal("too-large", f"the answer has {len(regions)} hunks, more than {MAX_HUNKS}")
    hunks: list[Hunk] = []
    seen: set[tuple[object, ...]] = set()
    for number, region in enumerate(regions, start=1):
        parts = list(_parts(_read(region, frame, number), frame))
        key = tuple((part.start, part.lines) for part in parts)
        if key in seen:
            notes = (*notes, "repeated hunk")
        elif any(part.lines for part in parts):
            seen.add(key)
            hunks += parts
    is_marked = enclosed or not {"no @@ line", "no file header"} <= set(notes)
    if not hunks or not (is_marked or _has_context(hunks, frame)):
        raise _no_hunk()
    return Reading(tuple(hunks), tuple(dict.fromkeys(notes)))


def _no_hunk() -> Refusal:
    return Refusal(
        "no-hunk",
        "the answer holds no change: write a unified diff of net.py, with lines that begin with "
        "'@@', then ' ' (kept), '-' (removed) or '+' (added)",
    )


def _has_context(hunks: list[Hunk], frame: Frame) -> bool:
    return any(frame.has(line.text) for hunk in hunks for line in hunk.old if not line.is_blank)


def _read(region: Region, frame: Frame, number: int) -> Hunk:
    numbers = _NUMBERS.match(region.header)
    counts = (int(numbers[2] or 1), int(numbers[4] or 1)) if numbers else None
    end = end_of_change(region.lines, frame, counts)
    notes = ["trailing text"] if any(line.strip() for line in region.lines[end:]) else []
    body = _body(region.lines[:end], frame, number, notes)
    counts_right = counts == counted(region.lines[:end])
    if numbers is None:
        notes.append("no numbers")
    elif not counts_right:
        notes.append("counts")
    return Hunk(
        number,
        tuple(body),
        start=int(numbers[1]) if numbers else None,
        new_start=int(numbers[3]) if numbers else None,
        counts_right=counts_right,
        notes=tuple(dict.fromkeys(notes)),
    )


def _body(lines: list[str], frame: Frame, number: int, notes: list[str]) -> list[HunkLine]:
    body: list[HunkLine] = []
    for line in lines:
        if NO_NEWLINE_MARKER.match(line):
            if body:
                body[-1] = replace(body[-1], newline=False)
            continue
        body.append(_line(line, frame, number, notes))
    return body


def _line(line: str, frame: Frame, number: int, notes: list[str]) -> HunkLine:
    first, rest = line[:1], line[1:].removeprefix(BYTE_ORDER_MARK)
    if first == "-" or (first in characters.MINUS_SIGNS and first and frame.has(rest)):
        notes += [] if first == "-" else ["typographic dash"]
        if is_elision(rest) and not frame.has(rest):
            raise _elided_removal(number, line)
        return HunkLine("-", rest)
    if first in ("+", "\uff0b"):
        return HunkLine("+", rest)
    if first in (" ", "\u00a0"):
        return HunkLine(" ", rest, unmarked=line)
    if not line.strip():
        return HunkLine(" ", line)
    if frame.has(line) or is_elision(line):
        notes.append("lines without a marker")
        return HunkLine(" ", line.removeprefix(BYTE_ORDER_MARK))
    raise Refusal(
        "stray-line",
        f"has the line {shown(line)}, which begins with neither ' ', '-' nor '+' and is no line "
        "of the parent",
        hunk=number,
        line=line,
    )


def _elided_removal(number: int, line: str) -> Refusal:
    return Refusal(
        "elided-removal",
        f"removes {shown(line)} in the place of lines: write out every line that is removed",
        hunk=number,
        line=line,
    )


def _parts(hunk: Hunk, frame: Frame) -> Iterator[Hunk]:
    """Cut a hunk where it leaves out lines of context."""
    cuts = [
        at
        for at, line in enumerate(hunk.lines)
        if line.op == " " and is_elision(line.text) and not frame.has(line.text)
    ]
    if not cuts:
        yield hunk
        return
    for at in cuts:
        before = next((line for line in reversed(hunk.lines[:at]) if not line.is_blank), None)
        after = next((line for line in hunk.lines[at + 1 :] if not line.is_blank), None)
        if before and after and before.op == after.op == "-":
            raise _elided_removal(hunk.number, hunk.lines[at].text)
    edges = [-1, *cuts, len(hunk.lines)]
    for start, end in itertools.pairwise(edges):
        lines = hunk.lines[start + 1 : end]
        if any(not line.is_blank for line in lines):
            yield replace(
                hunk, lines=lines, start=None, counts_right=False, notes=(*hunk.notes, "elision")
            )
