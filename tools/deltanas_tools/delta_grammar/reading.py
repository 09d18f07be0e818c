"""Reads a delta line by line against its automaton, and says what it does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from deltanas_repo_store.errors import PatchError
from deltanas_tools.delta_grammar.added_lines import ANY
from deltanas_tools.delta_grammar.automaton import (
    HEADER,
    START,
    Automaton,
    Block,
    Header,
    Old,
    State,
    Step,
)

SHOWN = 200
"""Characters of a line that a message shows."""


class Path(NamedTuple):
    """What was read last on the way to a state, and the way before it."""

    step: Step
    added: tuple[str, ...]
    """The lines of a block, without their marks."""
    at: int
    """The line of the parent that was next."""
    before: "Path | None"


States = dict[State, Path | None]


@dataclass(frozen=True)
class Edit:
    """What a delta does to its parent."""

    removed: frozenset[int]
    inserted: dict[int, tuple[str, ...]]
    """Lines by the line of the parent that they go before."""


@dataclass
class Reading:
    """A delta that is being read."""

    automaton: Automaton
    num_hunks: int = 0
    _states: States = field(default_factory=lambda: {START: None})
    """Where one may be, above the added lines that were read last."""
    _added: list[str] = field(default_factory=list)

    def read(self, line: str) -> None:
        """Read the next line, which is given without its newline.

        Raises:
            PatchError: no delta of this parent goes on like this. Code ``frozen`` where one would
                but for a frozen function, else ``stray-line``.
        """
        if line.startswith("+"):
            self._add(line)
            return
        states, lines = self._states_now(), self.automaton.lines
        self._states, self._added = states, []
        self._states = self._advanced(
            lambda step: (
                line == HEADER
                if isinstance(step, Header)
                else isinstance(step, Old) and line == step.mark + lines[step.at]
            )
        )
        if not self._states:
            self._states = states
            raise self._refusal(line)
        self.num_hunks += line == HEADER

    def _add(self, line: str) -> None:
        added = [*self._added, line[1:]]
        states = {
            state: path
            for state, path in self._states.items()
            if any(
                isinstance(step, Block) and step._replace(twin=None).fits(added)
                for step, _ in self.automaton.steps(state)
            )
        }
        if not states or not ANY.matches(line[1:]):
            raise self._refusal(line)
        self._states, self._added = states, added

    def edit(self) -> Edit | None:
        """Return what the lines so far do; None where a delta may not end."""
        states = self._states_now()
        ends = [path for state, path in states.items() if state.kind == "end"]
        if not ends:
            return None
        removed: set[int] = set()
        inserted: dict[int, tuple[str, ...]] = {}
        path = ends[0]
        while path is not None:
            if isinstance(path.step, Block):
                inserted[path.at] = path.added
            elif isinstance(path.step, Old) and path.step.mark == "-":
                removed.add(path.step.at)
            path = path.before
        return Edit(frozenset(removed), inserted)

    def _states_now(self) -> States:
        """Return where one may be behind the lines that were read last."""
        if not self._added:
            return self._states
        return self._advanced(lambda step: isinstance(step, Block) and step.fits(self._added))

    def _advanced(self, takes: Callable[[Step], bool]) -> States:
        """Return the states behind the steps that are taken, and those that nothing leads to."""
        found: States = {}
        added = tuple(self._added)
        for state, path in self._states.items():
            for step, target in self.automaton.steps(state):
                if step is not None and takes(step):
                    found.setdefault(target, Path(step, added, state.at, path))
        waiting = list(found)
        while waiting:
            state = waiting.pop()
            for step, target in self.automaton.steps(state):
                if step is None and target not in found:
                    found[target] = found[state]
                    waiting.append(target)
        return found

    def _refusal(self, line: str) -> PatchError:
        named = self._ways()
        return PatchError(
            f"hunk {self.num_hunks} of the delta goes on with {line[:SHOWN]!r}; here may follow: "
            f"{', '.join(named) or 'nothing'}",
            code="frozen" if self._is_frozen(line) else "stray-line",
            hunk=self.num_hunks,
            line=line,
        )

    def _is_frozen(self, line: str) -> bool:
        """Tell whether a line that may not stand here could, were it not for frozen functions."""
        allowed, lines = self.automaton.editable, self.automaton.lines
        places = [state.at for state in self._states if state.kind in ("kept", "removed")]
        if line.startswith("+"):
            is_near = any(allowed.guards[at] is not None or not allowed.gaps[at] for at in places)
            return ANY.matches(line[1:]) and is_near
        return any(
            line == f"-{lines[step.at]}"
            for state in self._states
            for step, _ in self.automaton.steps(state)
            if isinstance(step, Old)
        )

    def _ways(self) -> list[str]:
        """Name some of what may be read here."""
        lines = self.automaton.lines
        ways: dict[str, None] = {}
        for state in self._states:
            for step, _ in self.automaton.steps(state):
                match step:
                    case Header():
                        ways[repr(HEADER)] = None
                    case Old():
                        ways[repr(step.mark + lines[step.at][:SHOWN])] = None
                    case Block():
                        ways["added lines"] = None
                    case None:
                        pass
        return [*ways][:4] + (["other lines of the parent"] if len(ways) > 4 else [])
