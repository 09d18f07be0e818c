"""Reads SEARCH/REPLACE blocks as hunks: what to search is the old side, all of it."""

import difflib
import re
from collections.abc import Iterator

from deltanas_tools.apply_patch.fences import is_change
from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.hunks import Hunk, HunkLine, Reading
from deltanas_tools.apply_patch.locate import LEADING_SPACE, Locator
from deltanas_tools.apply_patch.reader import MAX_HUNKS
from deltanas_tools.apply_patch.result import Refusal, shown

_SEARCH = re.compile(r"^([ \t]*)(?:<{5,9} ?(?:SEARCH|ORIGINAL)|-{5,9} ?SEARCH)\b.*$", re.IGNORECASE)
_DIVIDER = re.compile(r"^[ \t]*={5,9}[ \t]*$")
_REPLACE = re.compile(
    r"^[ \t]*(?:>{5,9} ?(?:REPLACE|UPDATED)|\+{5,9} ?REPLACE)\b.*$", re.IGNORECASE
)
_START_LINE = re.compile(r"^:(?:start|end)_line:.*$")
_DASHES = re.compile(r"^-{5,9}$")
_HUNK = re.compile(r"^[ \t]*@@")
_MAX_PRODUCT = 4_000_000
"""Lines to search times lines to put there, up to which what they share is looked for."""


def has_blocks(text: str) -> bool:
    """Say whether an answer is written in SEARCH/REPLACE blocks."""
    lines = text.split("\n")
    return any(map(_SEARCH.match, lines)) and any(map(_DIVIDER.match, lines))


def read_blocks(text: str, frame: Frame) -> Reading:
    """Read every block as a hunk without numbers.

    Raises:
        Refusal: a block has no divider or no end, or its divider could be one of several lines;
            there are too many blocks, or a unified diff between them.
    """
    hunks: list[Hunk] = []
    lines = iter(text.split("\n"))
    for line in lines:
        opening = _SEARCH.match(line)
        if opening is None:
            _check_outside(line, frame)
            continue
        number = len(hunks) + 1
        if number > MAX_HUNKS:
            raise Refusal("too-large", f"the answer has more than {MAX_HUNKS} blocks")
        body = [each.removeprefix(opening[1]) for each in _body(lines, number)]
        hunks.append(Hunk(number, _parted(body, frame, number)))
    unique = {hunk.lines: hunk for hunk in reversed(hunks)}
    return Reading(tuple(sorted(unique.values(), key=lambda hunk: hunk.number)))


def _check_outside(line: str, frame: Frame) -> None:
    if _HUNK.match(line) or is_change(line, frame.has):
        raise Refusal(
            "stray-line",
            f"the answer has SEARCH/REPLACE blocks, and the line {shown(line)} of a unified diff; "
            "write all of it in one of the two",
            line=line,
        )


def _body(lines: Iterator[str], number: int) -> Iterator[str]:
    has_divider = False
    for line in lines:
        if _REPLACE.match(line) and has_divider:
            return
        if _SEARCH.match(line):
            break
        has_divider = has_divider or bool(_DIVIDER.match(line))
        yield line
    missing = ">>>>>>> REPLACE" if has_divider else "======="
    raise Refusal("no-hunk", f"is a SEARCH block without the line {missing!r}", hunk=number)


def _parted(body: list[str], frame: Frame, number: int) -> tuple[HunkLine, ...]:
    """Return the block's lines as a hunk; the divider is where the text to search ends."""
    dividers = [at for at, line in enumerate(body) if _DIVIDER.match(line)]
    parts = [(_searched(body[:at]), body[at + 1 :]) for at in dividers]
    if len(parts) > 1:
        locator = Locator(frame)
        hunks = [Hunk(number, tuple(HunkLine(" ", line) for line in old)) for old, _ in parts]
        stand = [bool(locator.sites(hunk, max_level=LEADING_SPACE)) for hunk in hunks]
        parts = [part for part, stands in zip(parts, stand, strict=True) if stands]
    if len(parts) != 1:
        raise Refusal(
            "stray-line",
            "has several lines '=======', and which one ends the text to search cannot be told; "
            "leave that line out of both sides",
            hunk=number,
            line="=======",
        )
    return _lines(*parts[0])


def _searched(lines: list[str]) -> list[str]:
    """Leave out what some editors put above the text to search: where it starts."""
    start = 0
    while start < len(lines) and _START_LINE.match(lines[start]):
        start += 1
    is_ruled = start > 0 and start < len(lines) and _DASHES.match(lines[start])
    return lines[start + 1 if is_ruled else start :]


def _lines(old: list[str], new: list[str]) -> tuple[HunkLine, ...]:
    if len(old) * len(new) > _MAX_PRODUCT:
        return tuple([HunkLine("-", text) for text in old] + [HunkLine("+", text) for text in new])
    lines: list[HunkLine] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(old) > 200)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            lines += [HunkLine(" ", text) for text in old[start:end]]
        else:
            lines += [HunkLine("-", text) for text in old[start:end]]
            lines += [HunkLine("+", text) for text in new[new_start:new_end]]
    return tuple(lines)
