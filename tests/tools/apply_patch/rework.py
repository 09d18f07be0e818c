"""What faults do to a draft: change its lines, its hunks, its text; and what they ask of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Hunk, numbered
from tests.tools.apply_patch.reference import dense_sites, edits_at, merged, old_side
from tests.tools.apply_patch.syntax import parses


def with_hunks(draft: Draft, hunks: Sequence[Hunk]) -> Draft:
    """The draft with other hunks, whose numbers are put right."""
    return replace(draft, hunks=numbered(hunks))


def with_lines(hunk: Hunk, lines: Sequence[str]) -> Hunk:
    """The hunk with another body and the header it has."""
    return replace(hunk, lines=tuple(lines))


def each_line(draft: Draft, change: Callable[[str], str]) -> Draft | None:
    """The draft with each line of its hunks changed; None where nothing changes."""
    hunks = [with_lines(hunk, [*_changed(hunk.lines, change)]) for hunk in draft.hunks]
    changed = replace(draft, hunks=tuple(hunks))
    return None if changed == draft else changed


def _changed(lines: Sequence[str], change: Callable[[str], str]) -> Iterator[str]:
    for line in lines:
        yield line if line.startswith("\\") else change(line)


def has_marker(draft: Draft) -> bool:
    """True where a hunk says that a line has no newline."""
    return any(line.startswith("\\") for hunk in draft.hunks for line in hunk.lines)


def is_unique(draft: Draft) -> bool:
    """True where each hunk has one place, whatever white space and characters are forgiven."""
    return all(len(dense_sites(draft.lines, old_side(hunk.lines))) == 1 for hunk in draft.hunks)


def is_old(line: str) -> bool:
    """True for context and removed lines."""
    return line[:1] in (" ", "-")


def as_its_hunks_say(draft: Draft) -> Draft | None:
    """The draft whose right text is what its own hunks make of the file; it must be Python."""
    edits = [edit for hunk in draft.hunks for edit in edits_at(hunk.lines, hunk.site)]
    result = merged(draft.baseline.split("\n"), edits)
    if result is None or not parses("\n".join(result)) or has_marker(draft):
        return None
    return replace(draft, expected=frozenset({"\n".join(result)}))


def changed_at(hunk: Hunk) -> list[int]:
    """The indices of a hunk's added and removed lines."""
    return [n for n, line in enumerate(hunk.lines) if line[:1] in ("+", "-")]


def replaced(draft: Draft, which: int, hunk: Hunk) -> Draft:
    """The draft with one hunk replaced; its header stays what it was."""
    hunks = (*draft.hunks[:which], hunk, *draft.hunks[which + 1 :])
    return replace(draft, hunks=hunks)


def picked(draft: Draft, rng: Random, markers: str) -> tuple[int, int] | None:
    """A line of the answer with one of these markers, as the numbers of its hunk and of it."""
    found = [
        (which, n)
        for which, hunk in enumerate(draft.hunks)
        for n, line in enumerate(hunk.lines)
        if line[:1] in markers and line[:1] and line[1:].strip()
    ]
    return rng.choice(found) if found and not has_marker(draft) else None


def put(draft: Draft, at: tuple[int, int], lines: Sequence[str], *, renumber: bool = True) -> Draft:
    """The draft with other lines in the place of one; its numbers are right again."""
    which, n = at
    hunk = draft.hunks[which]
    changed = with_lines(hunk, [*hunk.lines[:n], *lines, *hunk.lines[n + 1 :]])
    made = replaced(draft, which, changed)
    return replace(made, hunks=numbered(made.hunks)) if renumber else made


def line_at(draft: Draft, at: tuple[int, int]) -> str:
    """The line of the answer at this place."""
    return draft.hunks[at[0]].lines[at[1]]


def literal(draft: Draft) -> str | None:
    """What the hunks make of the file at their own places."""
    edits = [edit for hunk in draft.hunks for edit in edits_at(hunk.lines, hunk.site)]
    result = merged(draft.baseline.split("\n"), edits)
    return None if result is None else "\n".join(result)


def dressed(draft: Draft, text: str) -> Draft:
    """The draft with this text as its answer."""
    return replace(draft, text=text)
