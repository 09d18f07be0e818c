"""All hunks or none: from placed hunks to one text, or to where they disagree."""

import itertools
from collections.abc import Sequence

from deltanas_tools.apply_patch import characters
from deltanas_tools.apply_patch.edits import Placed, edits_of
from deltanas_tools.apply_patch.frame import Edit, Frame
from deltanas_tools.apply_patch.result import Refusal


def combine(
    frame: Frame,
    placed: Sequence[Placed],
    forced: frozenset[characters.Class] = frozenset(),
) -> tuple[str, list[str]]:
    """Return the text with all hunks applied, and what the added lines of which needed.

    Raises:
        Refusal: two hunks disagree, or one has no clear meaning at its place.
    """
    edits: dict[tuple[int, int, tuple[str, ...]], Edit] = {}
    notes: list[str] = []
    for each in placed:
        own, needed = edits_of(frame, each, forced)
        notes += [f"hunk {each.hunk.number}: {note}" for note in needed]
        for edit in own:
            edits.setdefault((edit.start, edit.end, edit.lines), edit)
    ordered = sorted(edits.values(), key=lambda edit: (edit.start, edit.end))
    _check_agreement(placed, ordered)
    text = frame.edited(ordered, final_newline=_ends_in_newline(frame, placed))
    return text, list(dict.fromkeys(notes))


def edited_lines(frame: Frame, placed: Placed, start: int, end: int) -> list[str]:
    """Return what becomes of the lines ``start`` to ``end``, within which the hunk's site is.

    Raises:
        Refusal: the hunk has no clear meaning at its place.
    """
    lines: list[str] = []
    done = start
    for edit in edits_of(frame, placed)[0]:
        lines += [*frame.lines[done : edit.start], *edit.lines]
        done = edit.end
    return [*lines, *frame.lines[done:end]]


def _check_agreement(placed: Sequence[Placed], ordered: list[Edit]) -> None:
    for one, other in itertools.pairwise(ordered):
        if other.start < one.end or (other.start, other.end) == (one.start, one.end):
            raise _disagreement(one.hunk, other.hunk, other.start)
    removed = {line: edit.hunk for edit in ordered for line in range(edit.start, edit.end)}
    for each in placed:
        old = zip(each.hunk.old, each.site.lines, strict=True)
        for line, real in old:
            if line.op == " " and real in removed and not line.is_blank:
                raise _disagreement(each.hunk.number, removed[real], real)


def _disagreement(hunk: int, other: int, line: int) -> Refusal:
    first, second = sorted((hunk, other))
    return Refusal(
        "conflict",
        f"and hunk {first} disagree about line {line + 1} of the parent; make one hunk of them"
        if first != second
        else f"disagrees with itself about line {line + 1} of the parent",
        hunk=second,
        sites=(line + 1,),
    )


def _ends_in_newline(frame: Frame, placed: Sequence[Placed]) -> bool:
    """Say whether the result does: as the text does, unless a marker says otherwise."""
    for each in placed:
        if each.site.end != len(frame.lines):
            continue
        old, new = each.hunk.old, each.hunk.new
        was_marked = bool(old) and not old[-1].newline
        is_marked = bool(new) and not new[-1].newline
        if was_marked != is_marked:
            return was_marked
    return frame.final_newline
