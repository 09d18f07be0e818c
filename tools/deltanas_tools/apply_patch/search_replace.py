"""Reads SEARCH/REPLACE blocks as hunks: what to search is the old side, all of it."""

import difflib
import re

from deltanas_tools.apply_patch.hunks import Hunk, HunkLine, Reading
from deltanas_tools.apply_patch.reader import MAX_HUNKS
from deltanas_tools.apply_patch.result import Refusal, shown

_SEARCH = re.compile(r"^([ \t]*)(?:<{5,9} ?(?:SEARCH|ORIGINAL)|-{5,9} ?SEARCH)\b.*$", re.IGNORECASE)
_DIVIDER = re.compile(r"^[ \t]*={5,9}[ \t]*$")
_REPLACE = re.compile(
    r"^[ \t]*(?:>{5,9} ?(?:REPLACE|UPDATED)|\+{5,9} ?REPLACE)\b.*$", re.IGNORECASE
)
_START_LINE = re.compile(r"^:(?:start|end)_line:.*$|^-{5,9}$")


def has_blocks(text: str) -> bool:
    """Say whether an answer is written in SEARCH/REPLACE blocks."""
    lines = text.split("\n")
    return any(map(_SEARCH.match, lines)) and any(map(_REPLACE.match, lines))


def read_blocks(text: str) -> Reading:
    """Read every block as a hunk without numbers.

    Raises:
        Refusal: a block has no divider or no end, or there are too many.
    """
    hunks: list[Hunk] = []
    lines = iter(text.split("\n"))
    for line in lines:
        opening = _SEARCH.match(line)
        if opening is None:
            if line.startswith("@@"):
                raise Refusal(
                    "stray-line",
                    f"the answer has SEARCH/REPLACE blocks, and the line {shown(line)} of a "
                    "unified diff; write all of it in one of the two",
                    line=line,
                )
            continue
        number = len(hunks) + 1
        if number > MAX_HUNKS:
            raise Refusal("too-large", f"the answer has more than {MAX_HUNKS} blocks")
        old: list[str] = []
        new: list[str] = []
        side, ended = old, False
        for each in lines:
            if side is old and _DIVIDER.match(each):
                side = new
            elif side is new and _REPLACE.match(each):
                ended = True
                break
            else:
                side.append(each.removeprefix(opening[1]))
        if not ended:
            missing = ">>>>>>> REPLACE" if side is new else "======="
            raise Refusal("no-hunk", f"has no line {missing!r}", hunk=number)
        while old and _START_LINE.match(old[0]):
            old.pop(0)
        hunks.append(Hunk(number, _lines(old, new)))
    unique = {hunk.lines: hunk for hunk in reversed(hunks)}
    return Reading(tuple(sorted(unique.values(), key=lambda hunk: hunk.number)))


def _lines(old: list[str], new: list[str]) -> tuple[HunkLine, ...]:
    lines: list[HunkLine] = []
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=len(old) > 1000)
    for tag, start, end, new_start, new_end in matcher.get_opcodes():
        if tag == "equal":
            lines += [HunkLine(" ", text) for text in old[start:end]]
        else:
            lines += [HunkLine("-", text) for text in old[start:end]]
            lines += [HunkLine("+", text) for text in new[new_start:new_end]]
    return tuple(lines)
