"""From an answer's text to hunks: the envelope off, the diff read, the counts checked.

Header numbers are hints: models get half of them wrong. They are believed only where every
hunk of the diff has the lines that its header counts.
"""

import re
from dataclasses import dataclass
from typing import Literal

Op = Literal[" ", "-", "+"]

_HEADER = re.compile(r"^@@(?: -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@.*| .*|@*)$")
_FENCE = re.compile(r"^(?P<fence>`{3,}|~{3,})[ \t]*(?P<tag>[\w-]*)")
_ENVELOPES = ("delta", "diff", "patch")
_DIFF_TAGS = frozenset({"diff", "patch", "udiff"})


@dataclass(frozen=True)
class HunkLine:
    """One line of a hunk: kept, removed or added."""

    op: Op
    text: str
    newline: bool = True
    """False where the diff says that the file ends in this line, without a newline."""


@dataclass(frozen=True)
class Hunk:
    """A run of lines that belong together."""

    number: int
    """Position in the diff, from 1."""
    start: int | None
    """First line of the old side as stated, from 1; for an insertion, the line before it."""
    lines: tuple[HunkLine, ...]
    counts_right: bool
    """The header has numbers, and they count these lines."""

    @property
    def old(self) -> list[HunkLine]:
        """The lines that must stand in the parent."""
        return [line for line in self.lines if line.op != "+"]

    @property
    def new(self) -> list[HunkLine]:
        """The lines that stand there afterwards."""
        return [line for line in self.lines if line.op != "-"]


@dataclass(frozen=True)
class Reading:
    """What was read, and what had to be taken off to read it."""

    hunks: tuple[Hunk, ...]
    dressing: tuple[str, ...]


class Unreadable(Exception):
    """The answer is not a diff of one file."""

    def __init__(self, code: str, message: str, *, hunk: int = 0, line: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hunk = hunk
        self.line = line


def read_hunks(answer: str) -> Reading:
    """Read the hunks of an answer.

    Raises:
        Unreadable: there is no hunk, more than one file, or a line that is no diff line.
    """
    text = answer.removeprefix("\ufeff").replace("\r\n", "\n")
    text, dressing = _undress(text)
    # A diff whose last line lost its newline must not read as "no newline at end of file".
    lines = text.rstrip("\n").split("\n")
    hunks: list[Hunk] = []
    targets: set[str] = set()
    at = 0
    while at < len(lines):
        if _is_file_header(lines, at):
            targets.add(_target(lines[at], lines[at + 1]))
            if len(targets) > 1:
                raise Unreadable(
                    "multi-file", f"the diff is about several files: {sorted(targets)}"
                )
            at += 2
        elif lines[at].startswith("@@") and (header := _HEADER.match(lines[at])):
            hunk, at = _read_hunk(lines, at + 1, header, number=len(hunks) + 1)
            hunks.append(hunk)
        else:
            at += 1
    if not hunks:
        raise Unreadable("no-hunk", "there is no hunk: a delta has lines that begin with '@@'")
    return Reading(tuple(hunks), dressing)


def _undress(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the diff inside tags and fences, and the names of what was around it."""
    for tag in _ENVELOPES:
        start, end = text.find(f"<{tag}>"), text.rfind(f"</{tag}>")
        if 0 <= start < end:
            inner, dressing = _undress(text[start + len(tag) + 2 : end].strip("\n"))
            return inner, (f"<{tag}> tag", *dressing)
    blocks = [
        body
        for tag, body in _fenced_blocks(text)
        if tag in _DIFF_TAGS or body.startswith("@@") or "\n@@" in body
    ]
    # Models repeat themselves: the same block twice is one.
    return ("".join(dict.fromkeys(blocks)), ("fence",)) if blocks else (text, ())


def _fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return the tag and body of each fenced block; a fence left open ends with the text."""
    blocks: list[tuple[str, str]] = []
    fence, tag, body = "", "", list[str]()
    for line in text.split("\n"):
        opening = _FENCE.match(line)
        if not fence and opening:
            fence, tag, body = opening["fence"], opening["tag"].lower(), []
        elif fence and line.rstrip() == fence:
            blocks.append((tag, "".join(f"{each}\n" for each in body)))
            fence = ""
        elif fence:
            body.append(line)
    if fence:
        blocks.append((tag, "".join(f"{each}\n" for each in body)))
    return blocks


def _is_file_header(lines: list[str], at: int) -> bool:
    return lines[at].startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ ")


def _target(old_header: str, new_header: str) -> str:
    old, new = (header[4:].split("\t")[0].strip() for header in (old_header, new_header))
    if old == "/dev/null":
        raise Unreadable("new-file", "the diff makes a new file; change the parent's lines instead")
    if new == "/dev/null":
        raise Unreadable("delete-file", "the diff deletes the file; change its lines instead")
    # The paper's prompt names the sides baseline.py and improved.py: only a diff that names
    # several new sides is about several files.
    return re.sub(r"^[ab]/", "", new)


def _read_hunk(
    lines: list[str], at: int, header: re.Match[str], *, number: int
) -> tuple[Hunk, int]:
    start = int(header[1]) if header[1] else None
    if start is not None:
        counts = (int(header[2] or 1), int(header[4] or 1))
        end = _counted_end(lines, at, *counts)
        if end is not None:
            body = _body(lines[at:end], number)
            return Hunk(number, start, body, counts_right=True), end
    end = at
    while end < len(lines) and not (
        lines[end].startswith(("@@", "diff --git ")) or _is_file_header(lines, end)
    ):
        end += 1
    body_end = end
    # Blank lines before the next header or the end are layout, not context.
    while body_end > at and not lines[body_end - 1].strip():
        body_end -= 1
    return Hunk(number, start, _body(lines[at:body_end], number), counts_right=False), end


def _counted_end(lines: list[str], at: int, old: int, new: int) -> int | None:
    """Return where the counted lines end; None where they do not end as the header says."""
    while (old > 0 or new > 0) and at < len(lines):
        op = lines[at][:1]
        if op in ("", " "):
            old, new = old - 1, new - 1
        elif op == "-":
            old -= 1
        elif op == "+":
            new -= 1
        elif op != "\\":
            return None
        at += 1
    if old or new:
        return None
    if at < len(lines) and lines[at].startswith("\\"):
        at += 1
    follows = lines[at] if at < len(lines) else ""
    more = follows[:1] in (" ", "-", "+") and follows.strip() and not _is_file_header(lines, at)
    return None if more else at


def _body(lines: list[str], number: int) -> tuple[HunkLine, ...]:
    body: list[HunkLine] = []
    for line in lines:
        match line[:1]:
            case "":
                body.append(HunkLine(" ", ""))
            case " " | "-" | "+" as op:
                body.append(HunkLine(op, line[1:]))
            case "\\" if body:
                body[-1] = HunkLine(body[-1].op, body[-1].text, newline=False)
            case _:
                raise Unreadable(
                    "stray-line",
                    f"hunk {number} has the line {line[:120]!r}, which begins with neither "
                    "' ', '-' nor '+'",
                    hunk=number,
                    line=line,
                )
    return tuple(body)
