"""Reads a diff as models write them: header numbers are hints, and the parent knows its lines.

Lines are sorted out by what they say about the parent. What can be no part of the change is
dropped where it follows the change; anywhere else it is refused.
"""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from deltanas_tools.apply_patch import characters
from deltanas_tools.apply_patch.frame import BYTE_ORDER_MARK, Frame
from deltanas_tools.apply_patch.hunks import Hunk, HunkLine, Reading
from deltanas_tools.apply_patch.prose import (
    is_bullet,
    is_code_like,
    is_elision,
    is_placeholder,
)
from deltanas_tools.apply_patch.result import Refusal, shown

MAX_HUNKS = 500
"""Hunks of one answer; a diff of a network has a handful."""

_NUMBERS = re.compile(r"@@\s*-(\d{1,9})(?:,(\d{1,9}))?\s+\+(\d{1,9})(?:,(\d{1,9}))?\s*@@")
_MARKER = re.compile(r"\\ ?no newline", re.IGNORECASE)
_BOUNDARY = re.compile(
    r"@@|```|~~~|diff --(?:git|cc) |Index: |={20,}$|\*\*\* (?:Begin|End|Update|Add|Delete)\b"
    r"|</(?:delta|diff|patch)>"
)
_GIT_HEADER = re.compile(r"diff --git \S+ (\S+)$")
_GIT_LINE = re.compile(r"index |(?:old|new) mode |similarity index ")
_RULE = re.compile(r"[-+*_=]{3,}\s*$")
_SIGNATURE = re.compile(r"-- ?$")
_TIMESTAMP = re.compile(r"\s+\d{4}-\d\d-\d\d.*$|\t.*$")


@dataclass(frozen=True)
class _Region:
    """The lines between two headers."""

    header: str
    lines: list[str]


def read_leniently(text: str, frame: Frame, *, enclosed: bool) -> Reading:
    """Read the hunks of ``text``, which is about the text in ``frame``.

    Args:
        text: A diff in any state, as `dressing.undress` returns it.
        frame: The text that the diff is about.
        enclosed: Whether something says that all of ``text`` is the diff.

    Raises:
        Refusal: there is no hunk, more than one file, or a line that can be no part of it.
    """
    lines = text.rstrip("\n").split("\n")
    regions, notes = _regions(lines, frame, enclosed=enclosed)
    if len(regions) > MAX_HUNKS:
        raise Refusal("too-large", f"the answer has {len(regions)} hunks, more than {MAX_HUNKS}")
    hunks: list[Hunk] = []
    seen: set[tuple[object, ...]] = set()
    for number, region in enumerate(regions, start=1):
        parts = list(_parts(_read(region, frame, number), frame))
        key = tuple((part.start, part.lines) for part in parts)
        if key in seen:
            notes = [*notes, "repeated hunk"]
        elif any(part.lines for part in parts):
            seen.add(key)
            hunks += parts
    is_marked = enclosed or not {"no @@ line", "no file header"} <= set(notes)
    if not hunks or not (is_marked or _has_context(hunks, frame)):
        raise no_hunk()
    return Reading(tuple(hunks), tuple(dict.fromkeys(notes)))


def no_hunk() -> Refusal:
    """Return the refusal of an answer without any change in it."""
    return Refusal(
        "no-hunk",
        "the answer holds no change: write a unified diff of net.py, with lines that begin with "
        "'@@', then ' ' (kept), '-' (removed) or '+' (added)",
    )


def _has_context(hunks: list[Hunk], frame: Frame) -> bool:
    return any(frame.has(line.text) for hunk in hunks for line in hunk.old if not line.is_blank)


def _regions(lines: list[str], frame: Frame, *, enclosed: bool) -> tuple[list[_Region], list[str]]:
    """Cut the answer at its headers. A change that has none above it is a region, too."""
    around: list[str] = []
    files = _Files()
    regions: list[_Region] = []
    has_headers = any(line.startswith("@@") for line in lines)
    body: list[str] | None = [] if enclosed and not has_headers else None
    if body is not None:
        regions.append(_Region("", body))
    at = 0
    while at < len(lines):
        line = lines[at]
        taken = _file_header(lines, at, inside=body is not None and bool(body))
        if taken:
            files.add(lines[at : at + taken])
            body = None if has_headers else []
            if body is not None:
                regions.append(_Region("", body))
        elif line.startswith("@@"):
            body = []
            regions.append(_Region(line, body))
        elif _BOUNDARY.match(line):
            files.look_at(line)
            body = None
        elif body is not None:
            body.append(line)
        elif _is_change(line, frame, alone=has_headers or files.has_header):
            context = _context_before(lines, at)
            del around[len(around) - len(context) :]
            body = [*context, line]
            regions.append(_Region("", body))
        elif line.strip():
            files.look_at(line)
            around.append(line)
        at += max(taken, 1)
    notes = ["surrounding text"] if any(not _GIT_LINE.match(line) for line in around) else []
    notes += [] if files.has_header else ["no file header"]
    notes += [] if has_headers else ["no @@ line"]
    return [region for region in regions if region.header or region.lines], notes


def _is_change(line: str, frame: Frame, *, alone: bool) -> bool:
    """Say whether a line outside of all hunks is a change whose header is lost.

    Where other lines are known to be the diff (``alone``), an item of a list is none.
    """
    if line[:1] not in ("-", "+") or not line[1:].strip() or _RULE.match(line):
        return False
    is_item = is_bullet(line) and not is_code_like(line[1:])
    return not alone or not is_item or frame.has(line[1:])


def _context_before(lines: list[str], at: int) -> list[str]:
    start = at
    while start > 0 and lines[start - 1].strip() and lines[start - 1].startswith((" ", "\t")):
        start -= 1
    return lines[start:at]


class _Files:
    """The files that the headers name: there must be one."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.has_header = False

    def add(self, headers: list[str]) -> None:
        """Take the ``---`` and ``+++`` lines of a file."""
        names = [self._name(header[4:]) for header in headers]
        if headers[0].startswith("--- ") and names[0] == "/dev/null":
            raise _new_file()
        if headers[-1].startswith("+++ ") and names[-1] == "/dev/null":
            raise _deleted_file()
        # The paper's prompt names the sides baseline.py and improved.py: only a diff that names
        # several new sides is about several files.
        self._take(names[-1])

    def look_at(self, line: str) -> None:
        """Take what other lines about files say."""
        if line.startswith(("new file mode", "*** Add File")):
            raise _new_file()
        if line.startswith(("deleted file mode", "*** Delete File")):
            raise _deleted_file()
        if line.startswith("*** Update File:"):
            self._take(self._name(line.partition(":")[2]))
        if (git := _GIT_HEADER.match(line)) is not None:
            self._take(self._name(git[1]))

    def _take(self, name: str) -> None:
        self.has_header = True
        if not name:
            return
        if not all(_is_same_file(each, name) for each in self.targets):
            names = ", ".join(shown(each) for each in [self.targets[0], name])
            raise Refusal(
                "multi-file", f"the diff is about several files ({names}); change net.py alone"
            )
        self.targets.append(name)

    @staticmethod
    def _name(text: str) -> str:
        name = _TIMESTAMP.sub("", text).strip().strip('"')
        return re.sub(r"^(?:[abciow12]|\.)/", "", name)


def _is_same_file(one: str, other: str) -> bool:
    """Say whether two paths may name one file, seen from different folders."""
    shorter, longer = sorted((one, other), key=len)
    return one == other or longer.endswith(f"/{shorter}")


def _new_file() -> Refusal:
    return Refusal("new-file", "the diff makes a new file; change lines of the parent instead")


def _deleted_file() -> Refusal:
    return Refusal("delete-file", "the diff deletes the file; change its lines instead")


def _file_header(lines: list[str], at: int, *, inside: bool) -> int:
    """Return how many lines of file header begin here; inside a hunk, they look like changes."""
    line = lines[at]
    following = lines[at + 1] if at + 1 < len(lines) else ""
    if line.rstrip() == "---" and following.rstrip() == "+++":
        line, following = "--- ", "+++ "
    if line.startswith("--- ") and following.startswith("+++ "):
        after = next((each for each in lines[at + 2 : at + 5] if each.strip()), "@@")
        return 2 if not inside or after.startswith("@@") else 0
    alone = line.startswith("--- ") or line.startswith("+++ ")
    return int(alone and (following.startswith("@@") or not inside))


def _read(region: _Region, frame: Frame, number: int) -> Hunk:
    numbers = _NUMBERS.match(region.header)
    counts = (int(numbers[2] or 1), int(numbers[4] or 1)) if numbers else None
    end = _end(region.lines, frame, counts)
    notes = ["trailing text"] if any(line.strip() for line in region.lines[end:]) else []
    lines = region.lines[:end]
    body = _body(lines, frame, number, notes)
    counts_right = counts is not None and _counted(body) == counts
    if not counts_right:
        # Blank lines without a marker at either end are layout, not context.
        while lines and not lines[-1]:
            lines, body = lines[:-1], body[:-1]
            if counts is not None and _counted(body) == counts:
                counts_right = True
                break
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


def _counted(body: list[HunkLine]) -> tuple[int, int]:
    return sum(line.op != "+" for line in body), sum(line.op != "-" for line in body)


def _end(lines: list[str], frame: Frame, counts: tuple[int, int] | None) -> int:
    """Return where the change ends and text about it, if any, begins."""
    end = len(lines)
    while end > 0 and _may_trail(lines[end - 1], frame):
        end -= 1
    while end < len(lines) and _is_item(lines[end]) and not _satisfied(lines[:end], counts):
        # An item of a list looks like a change, a line that is moved in like context. After a
        # blank line or a sentence, or where the header has counted enough lines, they are none.
        end += 1
    return end


def _may_trail(line: str, frame: Frame) -> bool:
    if not line.strip() or _SIGNATURE.match(line):
        return True
    if _RULE.match(line):
        return not frame.has(line[1:])
    if _MARKER.match(line) or frame.has(line) or frame.has(line[1:]):
        return False
    if line[0] in "-+":
        return is_bullet(line) and not is_code_like(line[1:]) and not is_elision(line[1:])
    if line[0] == "#":
        return bool(re.match(r"#{1,6} \S", line)) and not is_placeholder(line)
    return not is_code_like(line) and not is_elision(line)


def _is_item(line: str) -> bool:
    is_layout = not line.strip() or _SIGNATURE.match(line) or _RULE.match(line)
    return not is_layout and line[0] in "-+# \t"


def _satisfied(lines: list[str], counts: tuple[int, int] | None) -> bool:
    if counts is None:
        return False
    kept = sum(line[:1] not in ("-", "+", "\\") for line in lines)
    old = kept + sum(line[:1] == "-" for line in lines)
    new = kept + sum(line[:1] == "+" for line in lines)
    return (old, new) == counts


def _body(lines: list[str], frame: Frame, number: int, notes: list[str]) -> list[HunkLine]:
    body: list[HunkLine] = []
    for line in lines:
        if _MARKER.match(line):
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
