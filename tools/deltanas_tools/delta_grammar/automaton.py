"""Which line of a delta may follow which: the one description of the language.

A delta is read hunk by hunk, and a hunk old line by old line, with the added lines between them
as one block. A state says where in the parent one is and what the hunk still lacks. Some seven
states a line in ordinary code; at most O(n log n) for n lines, however they repeat themselves.

Source of the bound: Kärkkäinen, Kempa and Piątkowski, "Tighter Bounds for the Sum of Irreducible
LCP Values" (2016): hunks that must go on to the same line share their states.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from deltanas_tools.delta_grammar.added_lines import ANY, BLANK, AddedLine, code
from deltanas_tools.delta_grammar.anchors import Anchors
from deltanas_tools.delta_grammar.editable import Editable

HEADER = "@@"


class Header(NamedTuple):
    """The line above a hunk."""


class Old(NamedTuple):
    """A line of the parent, kept or removed."""

    mark: Literal[" ", "-"]
    at: int


class Block(NamedTuple):
    """All added lines between two old ones."""

    guard: str | None
    """The deepest indentation of its first line of code; None for any."""
    twin: str | None
    """What its last line must not be: the line that was removed just before."""

    def ways(self) -> tuple[tuple[tuple[AddedLine, AddedLine], ...], ...]:
        """Return what it may consist of, in pairs of kinds.

        For each pair there is any number of lines of the first kind, and then one of the second.
        The last line besides is not the twin.
        """
        if self.guard is None:
            return (((ANY, ANY),),)
        first = code(self.guard)
        return (((BLANK, BLANK),), ((BLANK, first),), ((BLANK, first), (ANY, ANY)))

    def fits(self, lines: Sequence[str]) -> bool:
        """Tell whether these lines, without their marks, are such a block. Each is in `ANY`."""
        if lines[-1] == self.twin:
            return False
        if self.guard is None:
            return True
        solid = next((line for line in lines if not BLANK.matches(line)), None)
        return solid is None or code(self.guard).matches(solid)


Step = Header | Old | Block | None
"""What is read; None for nothing."""


class State(NamedTuple):
    """Where one is in a delta.

    ``start``: above it. ``hunk``: below a header; ``at`` is the first line where the hunk may
    start. ``kept``: behind a kept line. ``removed``: behind a removed one, and before what is
    added in its place. ``changed``: behind a change. ``end``: where the hunk has ended.
    """

    kind: Literal["start", "hunk", "kept", "removed", "changed", "end"]
    at: int
    """The next line of the parent."""
    unique_at: int = 0
    """How far the hunk must go on, so that its old lines stand in the parent only once; 0 where
    it has got there."""
    end_by: int = 0
    """How far the context below a change may go; 0 where the hunk may not end (any more)."""
    change_by: int = 0
    """How far context may go if another change follows."""


START = State("start", 0)


@dataclass(frozen=True)
class Automaton:
    """The deltas of one parent."""

    lines: tuple[str, ...]
    """The parent's, without their newlines."""
    final_newline: bool
    returns: Literal["", "\r"]
    """What added lines get at their end, because each of the parent's has it."""
    editable: Editable
    anchors: Anchors
    context: int
    """Kept lines on each side of a change, where no more are needed; at least 1."""

    def steps(self, state: State) -> list[tuple[Step, State]]:
        """Return what may be read in a state, and where it leads."""
        match state.kind:
            case "hunk":
                return self._from_hunk(state.at)
            case "kept":
                return self._from_kept(state)
            case "removed":
                return self._from_removed(state)
            case "changed":
                return self._from_changed(state)
            case "start":
                return [(Header(), State("hunk", 0))]
            case "end":
                more = state.at < len(self.lines)
                return [(Header(), State("hunk", state.at))] if more else []

    def _from_hunk(self, at: int) -> list[tuple[Step, State]]:
        ends, size = self.anchors.ends, len(self.lines)
        steps: list[tuple[Step, State]] = []
        if at == 0 and self.editable.gaps[0]:
            # The one place without a line above it.
            steps.append((Block(None, None), State("changed", 0, min(ends[0], size))))
        if at < size:
            steps.append((None, State("hunk", at + 1)))
        if ends[at] <= size:
            # On to where the hunk is unique, or would be if it started at the next line.
            change_by = max(at + self.context, ends[at], ends[at + 1] - 1)
            here = State("kept", at, ends[at], 0, min(change_by, size))
            steps += [*self._keep(here), *self._remove(here)]
        return steps

    def _from_kept(self, state: State) -> list[tuple[Step, State]]:
        steps = [*self._keep(state), *self._remove(state)]
        if self.editable.gaps[state.at]:
            block = Block(self.editable.guards[state.at], None)
            steps.append((block, State("changed", state.at, state.unique_at)))
        if state.end_by and not state.unique_at:
            steps.append((None, State("end", state.at)))
        return steps

    def _from_removed(self, state: State) -> list[tuple[Step, State]]:
        changed = State("changed", state.at, state.unique_at)
        twin: str | None = self.lines[state.at - 1].removesuffix(self.returns)
        if state.at == len(self.lines) and not self.final_newline:
            twin = None  # what is put back has a newline
        block = Block(self.editable.guards[state.at], twin)
        return [(block, changed), (None, changed), *self._remove(state)]

    def _from_changed(self, state: State) -> list[tuple[Step, State]]:
        at, unique_at = state.at, state.unique_at
        end_by = max(at + self.context, unique_at)
        # The next change has a hunk of its own, where its old lines would be unique there.
        change_by = max(at + 2 * self.context, self.anchors.ends[max(at, unique_at)] - 1)
        size = len(self.lines)
        here = State("kept", at, unique_at, min(end_by, size), min(change_by, size))
        return [*self._keep(here), *([] if unique_at else [(None, State("end", at))])]

    def _keep(self, state: State) -> list[tuple[Step, State]]:
        at = state.at + 1
        if at > state.change_by:
            return []
        unique_at = state.unique_at if state.unique_at > at else 0
        end_by = state.end_by if state.end_by >= at else 0
        return [(Old(" ", state.at), State("kept", at, unique_at, end_by, state.change_by))]

    def _remove(self, state: State) -> list[tuple[Step, State]]:
        at = state.at + 1
        if at > len(self.lines) or not self.editable.lines[state.at]:
            return []
        unique_at = state.unique_at if state.unique_at > at else 0
        return [(Old("-", state.at), State("removed", at, unique_at))]
