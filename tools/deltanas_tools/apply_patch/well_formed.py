"""Reads diffs that are well formed: every line where a strict reader expects it."""

import io
import re

from unidiff.constants import DEV_NULL, LINE_TYPE_EMPTY, LINE_TYPE_NO_NEWLINE
from unidiff.errors import UnidiffParseError
from unidiff.patch import Hunk as ParsedHunk
from unidiff.patch import PatchedFile, PatchSet

from deltanas_tools.apply_patch.hunks import Hunk, HunkLine, Op, Reading

_NUMBERED_HEADER = re.compile(r"^@@ -\d{1,9}(?:,\d{1,9})? \+\d{1,9}(?:,\d{1,9})? @@", re.MULTILINE)
_GIT_LINE = re.compile(r"diff --git |index |(?:old|new) mode ")
_NO_HEADER = "no file header"


def read_well_formed(text: str) -> Reading | None:
    """Read a diff of one file whose hunks have the lines that their headers count.

    Returns None where that is not what the text is, to the last line: unidiff passes over lines
    that it does not know, and a line passed over would be an edit lost.
    """
    if _NUMBERED_HEADER.search(text) is None:
        return None
    notes: tuple[str, ...] = ()
    if text.startswith("@@"):
        text, notes = f"--- a\n+++ b\n{text}", (_NO_HEADER,)
    try:
        files = PatchSet(io.StringIO(text, newline="\n"))
    except (UnidiffParseError, ValueError):  # ValueError: a number of thousands of digits
        return None
    if len(files) != 1 or not _is_whole(files[0], text):
        return None
    return Reading(tuple(_hunk(each, at) for at, each in enumerate(files[0], start=1)), notes)


def _is_whole(file: PatchedFile, text: str) -> bool:
    about = [str(line) for line in file.patch_info or ()]
    taken = len(about) + 2 + sum(1 + len(hunk) for hunk in file)
    return (
        DEV_NULL not in (file.source_file, file.target_file)
        and taken == text.count("\n") + (not text.endswith("\n"))
        and all(_GIT_LINE.match(line) for line in about)
    )


def _hunk(parsed: ParsedHunk, number: int) -> Hunk:
    lines: list[HunkLine] = []
    for line in parsed:
        if line.line_type == LINE_TYPE_NO_NEWLINE:
            if lines:
                lines[-1] = HunkLine(lines[-1].op, lines[-1].text, newline=False)
        elif line.line_type != LINE_TYPE_EMPTY:
            op: Op = "+" if line.is_added else "-" if line.is_removed else " "
            lines.append(HunkLine(op, line.value.removesuffix("\n")))
    return Hunk(
        number,
        tuple(lines),
        start=parsed.source_start,
        new_start=parsed.target_start,
        counts_right=True,
    )
