"""Writes the delta between two texts, in as few lines as its language allows."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from deltanas_tools.delta_grammar.anchors import Anchors
from deltanas_tools.delta_grammar.automaton import HEADER


@dataclass(frozen=True)
class Change:
    """Lines of the parent from ``start`` to ``end`` (not included), and what replaces them."""

    start: int
    end: int
    added: tuple[str, ...]


@dataclass
class Hunk:
    """Changes under one header."""

    start: int
    unique_at: int
    """How far the hunk goes at least, so that its old lines stand in the parent only once."""
    changes: list[Change] = field(default_factory=list)


def changes_between(old: Sequence[str], new: Sequence[str], start: int = 0) -> Iterator[Change]:
    """Yield the changes from lines to others, the first of which is line ``start`` of a text."""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag != "equal":
            yield Change(start + i, start + i_end, tuple(new[j:j_end]))


def render(changes: Sequence[Change], lines: Sequence[str], anchors: Anchors, context: int) -> str:
    """Return the delta that makes these changes: one or more, in order, no two of which touch."""
    hunks = _hunks(changes, anchors, context)
    text: list[str] = []
    limits = [*(hunk.start for hunk in hunks[1:]), len(lines)]
    for hunk, limit in zip(hunks, limits, strict=True):
        end = min(max(hunk.changes[-1].end + context, hunk.unique_at), limit)
        text.append(HEADER)
        at = hunk.start
        for change in hunk.changes:
            text += [f" {line}" for line in lines[at : change.start]]
            text += [f"-{line}" for line in lines[change.start : change.end]]
            text += [f"+{line}" for line in change.added]
            at = change.end
        text += [f" {line}" for line in lines[at:end]]
    return "".join(f"{line}\n" for line in text)


def _hunks(changes: Sequence[Change], anchors: Anchors, context: int) -> list[Hunk]:
    """Part the changes: each hunk's old lines, down to its first change, stand there only once.

    A change whose place no line below the change before it tells goes into the same hunk.
    """
    hunks: list[Hunk] = []
    for change in changes:
        last = hunks[-1] if hunks else None
        free = max(last.changes[-1].end, last.unique_at) if last else 0
        start = anchors.latest_start(change.end)
        near = last is not None and change.start <= last.changes[-1].end + 2 * context
        if start is not None and free <= min(start, change.start) and not near:
            start = min(max(change.start - context, free), start)
            hunks.append(Hunk(start, anchors.ends[start]))
        elif last is None:
            # The text begins like another part of itself: what is below tells them apart.
            hunks.append(Hunk(0, min(anchors.ends[0], len(anchors.ends) - 1)))
        hunks[-1].changes.append(change)
    return hunks
