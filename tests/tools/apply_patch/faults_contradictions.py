"""Hunks that say what is not so: lines that the file does not have, markers that are lost."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk, numbered
from tests.tools.apply_patch.faults_removed import INVENTED, folded, invented, is_nowhere
from tests.tools.apply_patch.reference import characters, old_side, results
from tests.tools.apply_patch.rework import (
    changed_at,
    has_marker,
    line_at,
    picked,
    put,
    replaced,
    with_lines,
)
from tests.tools.apply_patch.syntax import indentation, parses

family = Family()


@family.refused("context.invented-more")
def _context_more(draft: Draft, rng: Random) -> Draft | None:
    """A line of code more in the context, which the file does not have."""
    at = picked(draft, rng, " ")
    if at is None:
        return None
    line = invented(line_at(draft, at)[1:], rng)
    return put(draft, at, [line_at(draft, at), f" {line}"]) if is_nowhere(draft, line) else None


@family.refused("context.invented-instead")
def _context_instead(draft: Draft, rng: Random) -> Draft | None:
    """A line of code in the context is none of the file's; it stands in the place of one."""
    at = picked(draft, rng, " ")
    if at is None or line_at(draft, at).strip()[:1] in ("#", ")", "]", "}"):
        return None
    line = invented(line_at(draft, at)[1:], rng)
    return put(draft, at, [f" {line}"]) if is_nowhere(draft, line) else None


@family.refused("context.all-invented")
def _context_all(draft: Draft, rng: Random) -> Draft | None:
    """Only the removed lines are the file's; the context around them is made up."""
    hunk = draft.hunks[0]
    if len(draft.hunks) != 1 or not any(line[:1] == "-" for line in hunk.lines):
        return None
    pool = iter(rng.sample(INVENTED, len(INVENTED)))
    lines: list[str] = []
    for line in hunk.lines:
        if line[:1] != " ":
            lines.append(line)
        elif line.strip():
            invented = next(pool, None)
            lines += [] if invented is None else [f" {indentation(line[1:])}{invented}"]
    if not all(is_nowhere(draft, x[1:]) for x in lines if x[:1] == " ") or has_marker(draft):
        return None
    return replace(draft, hunks=numbered([with_lines(hunk, lines)]))


def _lost_plus(name: str, marker: str) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """An added line without its plus: it reads as a line that the file should have."""
        at = picked(draft, rng, "+")
        if at is None:
            return None
        text = line_at(draft, at)[1:]
        if characters(text) in folded(draft) or text.strip()[:1] in ("#", '"'):
            return None
        return put(draft, at, [f"{marker}{text}"], renumber=rng.random() < 0.5)


_lost_plus("marker.plus-became-space", " ")
_lost_plus("marker.plus-lost", "")


@family.refused("marker.all-plus-lost")
def _all_plus_lost(draft: Draft, rng: Random) -> Draft | None:
    added = [x for hunk in draft.hunks for x in hunk.lines if x[:1] == "+" and x[1:].strip()]
    if not added or has_marker(draft) or any(characters(x[1:]) in folded(draft) for x in added):
        return None
    hunks = [
        with_lines(hunk, [f" {line[1:]}" if line in added else line for line in hunk.lines])
        for hunk in draft.hunks
    ]
    return replace(draft, hunks=tuple(hunks)) if added[0].strip()[1:].strip()[:1] != "#" else None


@family.applies("marker.space-became-plus")
def _space_plus(draft: Draft, rng: Random) -> Draft | None:
    """A context line is marked as added, where it stands already: seen through, or refused."""
    at = picked(draft, rng, " ")
    if at is None:
        return None
    made = put(draft, at, [f"+{line_at(draft, at)[1:]}"], renumber=rng.random() < 0.5)
    hunk = made.hunks[at[0]]
    return None if _has_place(draft, hunk.lines) else replace(made, refusal_allowed=True)


@family.applies("marker.minus-became-space")
def _minus_space(draft: Draft, rng: Random) -> Draft | None:
    """A removed line without its minus is context: it stays, which is Python; or refused."""
    made = _without_minus(draft, rng)
    if made is None or not parses(made.edited):
        return None
    expected = frozenset({made.edited, draft.edited})
    return replace(made, expected=expected, refusal_allowed=True)


@family.refused("marker.minus-became-space-not-python")
def _minus_not_python(draft: Draft, rng: Random) -> Draft | None:
    """A removed line without its minus stays, and the result is not Python."""
    made = _without_minus(draft, rng)
    return None if made is None or parses(made.edited) else made


def _without_minus(draft: Draft, rng: Random) -> Draft | None:
    at = picked(draft, rng, "-")
    if at is None:
        return None
    made = put(draft, at, [f" {line_at(draft, at)[1:]}"], renumber=rng.random() < 0.5)
    texts = results(draft.baseline, [hunk.lines for hunk in made.hunks])
    if len(texts) != 1 or texts == {draft.baseline}:
        return None
    return replace(made, edited=texts.pop())


@family.refused("stray.code")
def _stray_code(draft: Draft, rng: Random) -> Draft | None:
    """A line without a marker, within a hunk, that is no line of the file."""
    at = _inside(draft, rng)
    if at is None:
        return None
    line = invented("        ", rng)[rng.choice([0, 8]) :]
    return put(draft, at, [line_at(draft, at), line], renumber=False)


@family.refused("stray.prose")
def _stray_prose(draft: Draft, rng: Random) -> Draft | None:
    """Prose within a hunk: more of the hunk follows it."""
    at = _inside(draft, rng)
    if at is None:
        return None
    prose = rng.choice(
        [
            "Here the features are widened before they reach the classifier:",
            "Now we replace the activation, because it saturates.",
            "(this part is new)",
        ]
    )
    return put(draft, at, [line_at(draft, at), prose], renumber=False)


def _inside(draft: Draft, rng: Random) -> tuple[int, int] | None:
    """A place within a hunk, before its last change and after its first line."""
    which = rng.randrange(len(draft.hunks))
    last = changed_at(draft.hunks[which])[-1]
    if last < 1 or has_marker(draft):
        return None
    return which, rng.randrange(last)


def _gapped(draft: Draft, rng: Random, *, removed: bool) -> Draft | None:
    for which, hunk in enumerate(draft.hunks):
        found = [n for n in range(1, len(hunk.lines) - 1) if _is_gap(hunk, n, removed=removed)]
        if found and not has_marker(draft):
            n = rng.choice(found)
            lines = [*hunk.lines[:n], *hunk.lines[n + 1 :]]
            made = replaced(draft, which, with_lines(hunk, lines))
            return made if not _has_place(draft, lines) else None
    return None


def _is_gap(hunk: Hunk, n: int, *, removed: bool) -> bool:
    """A line of code with others of the hunk on both sides, beside a change or within removals."""
    line, above, below = hunk.lines[n], hunk.lines[n - 1], hunk.lines[n + 1]
    if not line[1:].strip() or line.strip()[0] == "#":
        return False
    if removed:
        return line[0] == above[0] == below[0] == "-"
    is_beside = (above[0] in "+-") != (below[0] in "+-")
    outer = hunk.lines[:n][::-1] if below[0] in "+-" else hunk.lines[n + 1 :]
    context = [x for x in outer if x[0] == " " and x.strip()]
    if line[0] != " " or not is_beside or not context:
        return False
    return difflib.SequenceMatcher(None, line, context[0], autojunk=False).ratio() < 0.6


def _has_place(draft: Draft, lines: Sequence[str]) -> bool:
    old = [characters(line) for line in old_side(lines) if line.strip()]
    have = [characters(line) for line in draft.lines if line.strip()]
    return any(have[at : at + len(old)] == old for at in range(len(have)))


@family.refused("gap.beside-change")
def _gap_beside(draft: Draft, rng: Random) -> Draft | None:
    """The line of code beside a change is missing, and further context is shown."""
    return _gapped(draft, rng, removed=False)


@family.refused("gap.within-removals")
def _gap_removed(draft: Draft, rng: Random) -> Draft | None:
    """Of three removed lines the middle one is not shown."""
    return _gapped(draft, rng, removed=True)


@family.refused("partial.one-hunk-invented")
def _partial(draft: Draft, rng: Random) -> Draft | None:
    """One of several hunks has no place: nothing is applied."""
    at = picked(draft, rng, "-")
    if len(draft.hunks) < 2 or at is None:
        return None
    line = invented(line_at(draft, at)[1:], rng)
    return put(draft, at, [f"-{line}"]) if is_nowhere(draft, line) else None


@family.refused("partial.extra-hunk")
def _extra(draft: Draft, rng: Random) -> Draft | None:
    """A hunk too many, for code that the file does not have."""
    line = "    " + rng.choice(INVENTED)
    if not is_nowhere(draft, line) or has_marker(draft):
        return None
    extra = Hunk(3, (f"-{line}", f"+{line}  # as well"), "@@ -3 +3 @@")
    place = rng.randrange(len(draft.hunks) + 1)
    return replace(draft, hunks=(*draft.hunks[:place], extra, *draft.hunks[place:]))
