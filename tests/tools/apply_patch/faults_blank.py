"""Blank lines of context that are lost, that are too many, or that hold white space."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk, draft_of, numbered
from tests.tools.apply_patch.faults_space import all_lines, with_file
from tests.tools.apply_patch.reference import Edit, edits_at, merged
from tests.tools.apply_patch.rework import (
    each_line,
    has_marker,
    is_old,
    is_unique,
    with_hunks,
    with_lines,
)
from tests.tools.apply_patch.syntax import parses

family = Family()


def _blank_context(hunk: Hunk) -> list[int]:
    return [n for n, line in enumerate(hunk.lines) if line == " " or not line[1:].strip()]


@family.applies("space.blank-line-lost")
def _blank_lost(draft: Draft, rng: Random) -> Draft | None:
    """A blank context line is missing from the answer, away from insertions."""
    return _without_blank(draft, rng, beside=False)


@family.applies("space.blank-line-lost-beside-insertion")
def _blank_lost_beside(draft: Draft, rng: Random) -> Draft | None:
    """The same beside an insertion, which may then stand on either side of the blank line."""
    return _without_blank(draft, rng, beside=True)


@family.applies("space.blank-line-lost-between-changes")
def _blank_lost_between(draft: Draft, rng: Random) -> Draft | None:
    """The same between two replacements, which the hunk then shows as one: or refused."""
    lines = draft.baseline.split("\n")
    found = [
        n
        for n in range(1, len(lines) - 1)
        if not lines[n].strip() and _takes_comment(lines[n - 1]) and _takes_comment(lines[n + 1])
    ]
    if not found:
        return None
    n = rng.choice(found)
    one = Edit(n - 1, n, (f"{lines[n - 1]}  # the last one",))
    two = Edit(n + 1, n + 2, (f"{lines[n + 1]}  # the next one",))
    edited = merged(lines, {one, two})
    assert edited is not None
    made = replace(draft_of(draft.source, draft.baseline, "\n".join(edited)), encode=draft.encode)
    [hunk] = made.hunks
    at = hunk.lines.index(f"+{one.lines[0]}") + 1
    cut = with_lines(hunk, [*hunk.lines[:at], *hunk.lines[at + 1 :]])
    is_context = not hunk.lines[at].strip() and hunk.lines[at][:1] == " "
    if not parses(made.edited) or has_marker(made) or not is_unique(made) or not is_context:
        return None
    blank = (lines[n],)
    orders = (
        one.lines + blank + two.lines,
        blank + one.lines + two.lines,
        one.lines + two.lines + blank,
    )
    texts = [merged(lines, {Edit(n - 1, n + 2, order)}) for order in orders]
    expected = frozenset("\n".join(text) for text in texts if text is not None)
    return replace(with_hunks(made, [cut]), expected=expected, refusal_allowed=True)


def _takes_comment(line: str) -> bool:
    return bool(line.strip()) and not set(line) & set("#'\"\\")


def _without_blank(draft: Draft, rng: Random, *, beside: bool) -> Draft | None:
    found = [
        (which, n)
        for which, hunk in enumerate(draft.hunks)
        for n in _blank_context(hunk)
        if hunk.lines[n][:1] == " " and 0 < n < len(hunk.lines) - 1
    ]
    if not found or has_marker(draft):
        return None
    which, n = rng.choice(found)
    hunk = draft.hunks[which]
    insertion = _insertion_beside(hunk, n)
    if (insertion is not None) != beside:
        return None
    cut = with_lines(hunk, [*hunk.lines[:n], *hunk.lines[n + 1 :]])
    hunks = [cut if number == which else other for number, other in enumerate(draft.hunks)]
    changed = with_hunks(draft, hunks)
    if insertion is not None:
        return _either_side(changed, draft, insertion)
    return None if _joins_changes(hunk, cut.lines) else changed


def _joins_changes(hunk: Hunk, lines: Sequence[str]) -> bool:
    """True where changes of the hunk meet in these lines, which are fewer than its own."""
    return len(edits_at(lines, 0)) < len(edits_at(hunk.lines, 0))


def _insertion_beside(hunk: Hunk, n: int) -> Edit | None:
    """The pure insertion that only blank lines part from line ``n`` of the hunk."""
    above = sum(map(is_old, hunk.lines[:n])) + hunk.site
    for edit in edits_at(hunk.lines, hunk.site):
        if edit.start != edit.end:
            continue
        low, high = sorted([edit.start, above])
        between = [line for line in hunk.lines if is_old(line)][low - hunk.site : high - hunk.site]
        if not any(line[1:].strip() for line in between):
            return edit
    return None


def _either_side(changed: Draft, draft: Draft, insertion: Edit) -> Draft:
    lines = draft.baseline.split("\n")
    low = high = insertion.start
    while low > 0 and not lines[low - 1].strip():
        low -= 1
    while high < len(lines) - 1 and not lines[high].strip():
        high += 1
    edits = {edit for hunk in draft.hunks for edit in edits_at(hunk.lines, hunk.site)}
    texts = []
    for at in range(low, high + 1):
        moved = merged(lines, (edits - {insertion}) | {Edit(at, at, insertion.lines)})
        texts += [] if moved is None else ["\n".join(moved)]
    return replace(changed, expected=frozenset(texts), refusal_allowed=True)


@family.applies("space.blank-line-added")
def _blank_added(draft: Draft, rng: Random) -> Draft | None:
    """A blank context line that the file does not have, between two lines of context."""
    which = rng.randrange(len(draft.hunks))
    lines = draft.hunks[which].lines
    between = [
        n
        for n in range(1, len(lines))
        if lines[n - 1][:1] == lines[n][:1] == " " and lines[n - 1].strip() and lines[n].strip()
    ]
    if not between:
        return None
    n = rng.choice(between)
    cut = with_lines(draft.hunks[which], [*lines[:n], rng.choice([" ", ""]), *lines[n:]])
    hunks = [cut if number == which else other for number, other in enumerate(draft.hunks)]
    return replace(draft, hunks=tuple(hunks))


@family.applies("space.blank-lines-filled")
def _blank_filled(draft: Draft, rng: Random) -> Draft | None:
    """Blank lines of context hold white space in the answer, and nothing in the file."""
    return each_line(
        draft, lambda line: "         " if line[:1] == " " and not line.strip() else line
    )


@family.applies("space.blank-lines-filled-in-file")
def _blank_filled_in_file(draft: Draft, rng: Random) -> Draft | None:
    """Blank lines hold white space in the file, and nothing in the answer."""
    if any(line != line.rstrip() for line in draft.lines):
        return None
    return with_file(draft, [line or "        " for line in draft.lines])


@family.applies("space.blank-lines-all-lost")
def _all_blank_lost(draft: Draft, rng: Random) -> Draft | None:
    """No blank line of context is left; none of them stood beside an insertion."""
    if has_marker(draft):
        return None
    hunks = []
    for hunk in draft.hunks:
        blank = [n for n in _blank_context(hunk) if hunk.lines[n][:1] == " "]
        lines = [line for n, line in enumerate(hunk.lines) if n not in blank]
        if any(_insertion_beside(hunk, n) for n in blank) or _joins_changes(hunk, lines):
            return None
        leading = next((n for n, x in enumerate(hunk.lines) if n not in blank), 0)
        hunks.append(replace(hunk, start=hunk.start + leading, lines=tuple(lines)))
    changed = replace(draft, hunks=numbered(hunks))
    return None if all_lines(changed) == all_lines(draft) else changed
