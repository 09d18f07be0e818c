"""Finds where a change ends and text about it begins.

A line that could be a part of the change never counts as text about it; where such text may
begin, items of a list look like changes, and only what stands above them tells.
"""

import re
from collections.abc import Sequence

from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.placeholders import is_elision, is_placeholder
from deltanas_tools.apply_patch.prose import is_bullet, is_code_like, is_element, is_rule

NO_NEWLINE_MARKER = re.compile(r"\\ ?no newline", re.IGNORECASE)
_SIGNATURE = re.compile(r"-- ?$")
_HEADING = re.compile(r"#{1,6} \S")

Counts = tuple[int, int]
"""How many old and new lines a hunk has."""


def end_of_change(lines: Sequence[str], frame: Frame, counts: Counts | None) -> int:
    """Return how many of a hunk's lines belong to the change.

    Args:
        lines: The lines below the hunk's header, up to the next one.
        frame: The text that the hunk is about.
        counts: The lines that the header counts, where it does.
    """
    end = len(lines)
    while end > 0 and _may_trail(lines[end - 1], frame):
        end -= 1
    old, new = counted(lines[:end])
    while end < len(lines) and _is_like_change(lines[end]) and (old, new) != counts:
        # After a blank line or a sentence, or where the header has counted enough lines, what
        # looks like a change or like context is none.
        old, new = old + (lines[end][0] != "+"), new + (lines[end][0] != "-")
        end += 1
    return end + _num_blank(lines[end:], (old, new), counts)


def counted(lines: Sequence[str]) -> Counts:
    """Count the old and the new lines among a hunk's lines."""
    marks = [line[:1] for line in lines]
    kept = sum(mark not in ("-", "+", "\\") for mark in marks)
    return kept + marks.count("-"), kept + marks.count("+")


def _num_blank(following: Sequence[str], found: Counts, counts: Counts | None) -> int:
    """Return how many blank lines at the end are context, by the header: else they are layout."""
    if counts is None:
        return 0
    missing = counts[0] - found[0]
    is_blank = 0 < missing <= len(following) and not any(following[:missing])
    return missing if is_blank and counts[1] - found[1] == missing else 0


def _may_trail(line: str, frame: Frame) -> bool:
    if not line.strip() or _SIGNATURE.match(line):
        return True
    if is_rule(line):
        return not frame.has(line[1:])
    if NO_NEWLINE_MARKER.match(line) or frame.has(line[1:]):
        return False
    if frame.has(line) and (line[0] in " \t" or line.rstrip() in frame.lines):
        return False
    if line[0] in "-+":
        return is_bullet(line) and not is_code_like(line[1:]) and not is_elision(line[1:])
    if line[0] == "#":
        return bool(_HEADING.match(line)) and not is_placeholder(line)
    # A line as deep as an element that lost its marker is no sentence.
    is_deep = line.startswith(("    ", "\t"))
    return not (is_code_like(line) or is_elision(line) or (is_deep and is_element(line)))


def _is_like_change(line: str) -> bool:
    is_layout = not line.strip() or _SIGNATURE.match(line) or is_rule(line)
    return not is_layout and line[0] in "-+# \t"
