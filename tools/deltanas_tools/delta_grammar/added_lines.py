"""The kinds of lines that a delta may add, each as a small automaton over characters."""

import re
from functools import lru_cache
from typing import NamedTuple

from deltanas_tools.delta_grammar.editable import WHITE

BANNED = "\r\0"
"""Characters that no added line holds: the parent decides on how lines end."""


class Arc(NamedTuple):
    """A step to another state, by one of some characters."""

    chars: str
    negated: bool
    """Whether the step is by any other character instead, which is never the newline."""
    to: int

    def takes(self, char: str) -> bool:
        """Tell whether a character makes this step."""
        return (char in self.chars) != self.negated


class CharState(NamedTuple):
    """Where one is within a line. The arcs of a state have no character in common."""

    may_end: bool
    arcs: tuple[Arc, ...]


class AddedLine(NamedTuple):
    """A kind of line, without its mark. It starts in the first state; loops are of one state."""

    states: tuple[CharState, ...]

    def matches(self, text: str) -> bool:
        """Tell whether a line is of this kind."""
        return _pattern(self).fullmatch(text + "\n") is not None

    def regex(self, state: int = 0) -> str:
        """Return the lines as a regular expression, the newline at their end included."""
        may_end, arcs = self.states[state]
        loop = "".join(f"{_set(arc)}*" for arc in arcs if arc.to == state)
        ways = [_set(arc) + self.regex(arc.to) for arc in arcs if arc.to != state]
        ways += [r"\n"] if may_end else []
        return loop + (ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})")


_REST = Arc("\n" + BANNED, True, 0)

ANY = AddedLine((CharState(True, (_REST,)),))
"""Any line."""
BLANK = AddedLine(
    (
        CharState(True, (Arc(WHITE, False, 0), Arc("#", False, 1))),
        CharState(True, (_REST._replace(to=1),)),
    )
)
"""A line without code: blank, or a comment."""


@lru_cache(maxsize=64)
def code(indent: str) -> AddedLine:
    """Return the lines of code that are indented like ``indent`` or by a beginning of it."""
    last = len(indent) + 1
    solid = Arc(WHITE + "#\n" + BANNED, True, last)
    states = [CharState(False, (Arc(char, False, at + 1), solid)) for at, char in enumerate(indent)]
    states += [CharState(False, (solid,)), CharState(True, (_REST._replace(to=last),))]
    return AddedLine(tuple(states))


@lru_cache(maxsize=64)
def _pattern(line: AddedLine) -> re.Pattern[str]:
    return re.compile(line.regex())


def _set(arc: Arc) -> str:
    chars = "".join(f"\\x{ord(char):02x}" for char in arc.chars)
    return f"[{'^' if arc.negated else ''}{chars}]"
