"""Faults of context: cut, elided, reworded, or quoting what an earlier hunk made."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk, diff, numbered
from tests.tools.apply_patch.faults_reworded import wide_context
from tests.tools.apply_patch.reference import characters, edits_at, file_lines, old_side, sites
from tests.tools.apply_patch.rework import (
    changed_at,
    has_marker,
    is_unique,
    replaced,
    with_hunks,
    with_lines,
)

family = Family()

ELISIONS = ("...", " ...", "  ...", " ...", "     ...", "\u2026")
ELIDED_COMMENTS = (
    " # ... existing code ...",
    "         # ... (unchanged) ...",
    " # ... rest of the code ...",
    "     # ...",
)


def trimmed(hunk: Hunk, before: int, after: int) -> Hunk:
    """The hunk with at most so many lines of context at its ends; numbers are put right."""
    at = changed_at(hunk)
    first, last = max(0, at[0] - before), min(len(hunk.lines), at[-1] + 1 + after)
    dropped = sum(line[:1] in (" ", "-") for line in hunk.lines[:first])
    kept = replace(hunk, start=hunk.site + dropped + 1, lines=hunk.lines[first:last])
    if not kept.counts[0]:
        kept = replace(kept, start=kept.start - 1)
    return numbered([kept])[0]


def _cut(name: str, before: int, after: int, *, stale: bool = False) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """Less context than usual, and still one place."""
        if has_marker(draft):
            return None
        hunks = [trimmed(hunk, before, after) for hunk in draft.hunks]
        cut = with_hunks(draft, hunks)
        if stale:
            heads = [replace(x, header=y.header) for x, y in zip(hunks, draft.hunks, strict=True)]
            cut = replace(draft, hunks=tuple(heads))
        if not is_unique(cut) or cut == draft or _beside_blank(cut):
            return None
        return cut


def _beside_blank(draft: Draft) -> bool:
    """True where a hunk ends at its change and the file has a blank line there.

    An insertion below its context, and nothing after it, is where it says; this only keeps to
    cases in which nobody could ask on which side of a blank line it belongs.
    """
    lines = ["", *draft.lines, ""]
    return any(
        not line.strip()
        for hunk in draft.hunks
        for line in (lines[hunk.site], lines[min(hunk.site + hunk.counts[0] + 1, len(lines) - 1)])
        if hunk.lines[0][:1] == "+" or hunk.lines[-1][:1] == "+"
    )


_cut("context.one-line", 1, 1)
_cut("context.leading-only", 3, 0)
_cut("context.trailing-only", 0, 3)
_cut("context.none", 0, 0)
_cut("context.one-line-stale-numbers", 1, 1, stale=True)
_cut("context.lopsided", 3, 1)


def _gaps(hunk: Hunk) -> list[tuple[int, int]]:
    """Runs of context, at least three lines from every change and not at the hunk's ends."""
    kept = [
        n
        for n in range(1, len(hunk.lines) - 1)
        if all(abs(n - at) > 2 for at in changed_at(hunk)) and hunk.lines[n][:1] == " "
    ]
    runs: list[tuple[int, int]] = []
    for n in kept:
        if runs and runs[-1][1] == n:
            runs[-1] = (runs[-1][0], n + 1)
        else:
            runs.append((n, n + 1))
    return [run for run in runs if run[1] - run[0] >= 2]


def _elided(draft: Draft, rng: Random, marks: Sequence[str], *, outer: bool) -> Draft | None:
    wide = wide_context(draft)
    which = rng.randrange(len(wide.hunks))
    hunk = wide.hunks[which]
    runs = [
        run
        for run in _gaps(hunk)
        if outer == (run[0] < changed_at(hunk)[0] or run[1] > changed_at(hunk)[-1])
    ]
    if not runs or has_marker(wide) or any(x.strip() in ("...", "\u2026") for x in wide.lines):
        return None
    start, end = rng.choice(runs)
    parts = [hunk.lines[:start], hunk.lines[end:]]
    if any(not _one_place(draft, part) for part in parts):
        return None
    lines = [*parts[0], rng.choice(marks), *parts[1]]
    return replaced(wide, which, with_lines(hunk, lines))


def _one_place(draft: Draft, body: Sequence[str]) -> bool:
    old = [line for line in old_side(body) if line.strip()]
    return len(sites([x for x in map(characters, draft.lines) if x], [*map(characters, old)])) == 1


@family.applies("elided.between-changes")
def _elided_between(draft: Draft, rng: Random) -> Draft | None:
    """Three dots stand for context between two changes of one hunk."""
    return _elided(draft, rng, ELISIONS, outer=False)


@family.applies("elided.outer-context")
def _elided_outer(draft: Draft, rng: Random) -> Draft | None:
    """Three dots stand for context between a far line, such as the class, and the change."""
    return _elided(draft, rng, ELISIONS, outer=True)


@family.applies("elided.comment")
def _elided_comment(draft: Draft, rng: Random) -> Draft | None:
    """A comment with three dots stands for context, as if it were a line of the file."""
    made = _elided(draft, rng, ELIDED_COMMENTS, outer=rng.random() < 0.5)
    return None if made is None else replace(made, refusal_allowed=True)


@family.applies("elided.at-ends")
def _elided_ends(draft: Draft, rng: Random) -> Draft | None:
    """Each hunk begins and ends with three dots."""
    if has_marker(draft) or any(line.strip() in ("...", "\u2026") for line in draft.lines):
        return None
    mark = rng.choice(ELISIONS)
    hunks = [with_lines(hunk, [mark, *hunk.lines, mark]) for hunk in draft.hunks]
    return replace(draft, hunks=tuple(hunks))


def _two_steps(draft: Draft) -> tuple[str, list[Hunk], list[Hunk]] | None:
    """The text after the first change, and the hunks before and after it; changes are near."""
    both = [edit for hunk in draft.hunks for edit in edits_at(hunk.lines, hunk.site)]
    if len(both) < 2 or has_marker(draft):
        return None
    one, two = both[0], both[1]
    if two.start - one.end > 3:
        return None
    lines = draft.baseline.split("\n")
    middle = "\n".join([*lines[: one.start], *one.lines, *lines[one.end :]])
    return middle, [*diff(draft.baseline, middle)], [*diff(middle, draft.edited)]


@family.applies("sequential.quotes-result")
def _sequential(draft: Draft, rng: Random) -> Draft | None:
    """A later hunk shows what an earlier one made as its context."""
    steps = _two_steps(draft)
    if steps is None:
        return None
    middle, first, second = steps
    if sites([*map(characters, draft.lines)], _folded(second[0])):
        return None
    places = [sites([*map(characters, file_lines(middle))], _folded(hunk)) for hunk in second]
    bare = [replace(hunk, header="@@") for hunk in second] if rng.random() < 0.5 else second
    if any(len(place) != 1 for place in places) or len(first) != 1:
        return None
    return replace(draft, hunks=(*first, *bare))


def _folded(hunk: Hunk) -> list[str]:
    return [*map(characters, old_side(hunk.lines))]


@family.applies("sequential.rewrites-result")
def _rewrites(draft: Draft, rng: Random) -> Draft | None:
    """A later hunk removes what an earlier one added: or refused, for it is not in the file."""
    if len(draft.hunks) != 1 or has_marker(draft):
        return None
    hunk = draft.hunks[0]
    added = [n for n, line in enumerate(hunk.lines) if line[:1] == "+" and line[1:].strip()]
    if not added:
        return None
    line = draft.hunks[0].lines[rng.choice(added)][1:]
    if draft.edited.split("\n").count(line) != 1 or "#" in line or '"' in line:
        return None
    final = draft.edited.replace(line, f"{line}  # for now")
    second = diff(draft.edited, final)
    if len(second) != 1 or sites([*map(characters, draft.lines)], _folded(second[0])):
        return None
    expected = frozenset({final})
    return replace(draft, hunks=(hunk, *second), expected=expected, refusal_allowed=True)
