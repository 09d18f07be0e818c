"""Cuts an answer at its headers, and sees to it that all of it is about one file."""

import re
from dataclasses import dataclass

from deltanas_tools.apply_patch.fences import is_change
from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.result import Refusal, shown

_BOUNDARY = re.compile(
    r"@@|```|~~~|diff --(?:git|cc) |Index: |={20,}$|\*\*\* (?:Begin|End|Update|Add|Delete)\b"
    r"|</(?:delta|diff|patch)>"
)
_GIT_HEADER = re.compile(r"diff --git \S+ (\S+)$")
_GIT_LINE = re.compile(r"index |(?:old|new) mode |similarity index ")
_TIMESTAMP = re.compile(r"\s+\d{4}-\d\d-\d\d.*$|\t.*$|\s+\(.*\)\s*$")
_MAX_NAME = 300
"""Characters of a file's name that are looked at."""


@dataclass(frozen=True)
class Region:
    """The lines below a hunk's header; the header is empty where it is lost."""

    header: str
    lines: list[str]


def cut(text: str, frame: Frame, *, enclosed: bool) -> tuple[list[Region], tuple[str, ...]]:
    """Return the regions of a diff in order, and what had to be forgiven to find them.

    Args:
        text: The diff, with anything round it that `dressing` left.
        frame: The text that it is about.
        enclosed: Whether something says that all of ``text`` is the diff.

    Raises:
        Refusal: it makes, deletes or changes another file.
    """
    lines = text.rstrip("\n").split("\n")
    cutter = _Cutter(frame, lines, enclosed=enclosed)
    at = 0
    while at < len(lines):
        at += cutter.take(at)
    regions = [region for region in cutter.regions if any(map(str.strip, region.lines))]
    return regions, cutter.notes()


class _Cutter:
    """Goes through the lines of a diff. A change with no header above it is a region, too."""

    def __init__(self, frame: Frame, lines: list[str], *, enclosed: bool) -> None:
        self.regions: list[Region] = []
        self._frame = frame
        self._lines = lines
        self._files = _Files()
        self._around: list[str] = []
        self._has_headers = any(line.startswith("@@") for line in lines)
        self._body: list[str] | None = None
        if enclosed and not self._has_headers:
            self._open("")

    def notes(self) -> tuple[str, ...]:
        """Return what is missing, and whether there is text round the hunks."""
        around = any(not _GIT_LINE.match(line) for line in self._around)
        return (
            *(["surrounding text"] if around else []),
            *([] if self._files.has_header else ["no file header"]),
            *([] if self._has_headers else ["no @@ line"]),
        )

    @property
    def _has_diff(self) -> bool:
        return self._has_headers or self._files.has_header

    def take(self, at: int) -> int:
        """Sort the line at ``at`` out, and return how many were taken."""
        line = self._lines[at]
        in_hunk = bool(self._body) or (self._body is not None and self.regions[-1].header != "")
        taken = _file_header(self._lines, at, inside=in_hunk)
        if taken:
            self._files.add(self._lines[at : at + taken])
            self._close()
            if not self._has_headers:
                self._open("")
        elif line.startswith("@@"):
            self._open(line)
        elif _BOUNDARY.match(line):
            self._files.look_at(line)
            self._close()
        elif self._body is not None:
            self._body.append(line)
        elif is_change(line, self._frame.has) or (not self._has_diff and line[:1] in ("-", "+")):
            context = _context_before(self._lines, at)
            del self._around[len(self._around) - len(context) :]
            self._open("", [*context, line])
        elif line.strip():
            self._files.look_at(line)
            self._around.append(line)
        return max(taken, 1)

    def _open(self, header: str, lines: list[str] | None = None) -> None:
        self._body = lines or []
        self.regions.append(Region(header, self._body))

    def _close(self) -> None:
        self._body = None


def _context_before(lines: list[str], at: int) -> list[str]:
    start = at
    while start > 0 and lines[start - 1].strip() and lines[start - 1].startswith((" ", "\t")):
        start -= 1
    return lines[start:at]


class _Files:
    """The files that the headers name: there must be one."""

    def __init__(self) -> None:
        self._names: list[str] = []
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
        if not name or name in self._names:
            return
        if not all(_is_same_file(each, name) for each in self._names):
            names = ", ".join(shown(each) for each in [*self._names[:1], name])
            raise Refusal(
                "multi-file", f"the diff is about several files ({names}); change net.py alone"
            )
        self._names.append(name)

    @staticmethod
    def _name(text: str) -> str:
        name = _TIMESTAMP.sub("", text[:_MAX_NAME]).strip().strip('"')
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
    return int(not inside and line.startswith(("--- ", "+++ ")))
