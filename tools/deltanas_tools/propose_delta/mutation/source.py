"""A parsed source whose nodes know their place in the text, and edits of that text.

Edits are replacements of character spans: whatever they do not touch keeps its formatting and
its comments.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from deltanas_tools.syntax import parse

Node = TypeVar("Node", bound=ast.AST)

MAX_LINE = 100
"""Longest line, in characters, that an edit writes where it can break the line instead."""


@dataclass(frozen=True)
class Change:
    """Replace the characters from ``start`` up to ``end`` by ``text``; insert where they meet."""

    start: int
    end: int
    text: str


@dataclass(frozen=True)
class Edit:
    """Changes that belong together, and one sentence on what they do to the network."""

    summary: str
    changes: tuple[Change, ...]


def apply_changes(text: str, changes: Iterable[Change]) -> str:
    """Apply changes that all refer to positions of ``text``.

    Insertions at one position keep their order.

    Raises:
        ValueError: two changes overlap.
    """
    pieces = []
    done = 0
    for change in sorted(changes, key=lambda change: (change.start, change.end)):
        if change.start < done:
            raise ValueError(f"two changes overlap at character {change.start}")
        pieces += [text[done : change.start], change.text]
        done = change.end
    return "".join([*pieces, text[done:]])


class Source:
    """Python source, its syntax tree, and the way from one to the other."""

    def __init__(self, text: str) -> None:
        """Parse ``text``.

        Raises:
            SyntaxError: the text is not Python.
        """
        self.text = text
        self.tree = parse(text)
        self.children: dict[ast.AST, list[ast.AST]] = {}
        pending: list[ast.AST] = [self.tree]
        while pending:
            node = pending.pop()
            # Operators and contexts are single objects that many nodes share.
            shared = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
            children = [c for c in ast.iter_child_nodes(node) if not isinstance(c, shared)]
            self.children[node] = children
            pending += children
        self.parents = {
            child: node for node, children in self.children.items() for child in children
        }
        # The tokenizer ends lines at these three and at nothing else, unlike str.splitlines.
        self._lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
        self._line_starts = [0]
        for line in self._lines:
            self._line_starts.append(self._line_starts[-1] + len(line))
        self.newline = "\r\n" if "\r\n" in text else "\n"

    def _offset(self, line_number: int, byte_column: int) -> int:
        line = self._lines[line_number - 1]
        if not line.isascii():
            byte_column = len(line.encode()[:byte_column].decode())
        return self._line_starts[line_number - 1] + byte_column

    def start(self, node: ast.expr | ast.stmt) -> int:
        """Return the position of the first character of ``node``."""
        return self._offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        """Return the position behind the last character of ``node``."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.end_lineno, node.end_col_offset)

    def segment(self, node: ast.expr | ast.stmt) -> str:
        """Return the text of ``node``."""
        return self.text[self.start(node) : self.end(node)]

    def replace(self, node: ast.expr | ast.stmt, text: str) -> Change:
        """Return the change that puts ``text`` in the place of ``node``."""
        return self.change(self.start(node), self.end(node), text)

    def change(self, start: int, end: int, text: str) -> Change:
        """Return the change of a span, the line ends of ``text`` made those of the source."""
        return Change(start, end, re.sub(r"\r?\n", self.newline, text))

    def line_start(self, position: int) -> int:
        """Return where the line that holds ``position`` starts."""
        return max(self.text.rfind("\n", 0, position), self.text.rfind("\r", 0, position)) + 1

    def line_end(self, position: int) -> int:
        """Return the end of the line that holds ``position``, in front of its line break."""
        match = re.compile(r"[\r\n]").search(self.text, position)
        return match.start() if match else len(self.text)

    def indentation(self, position: int) -> str:
        """Return the white space that the line of ``position`` starts with."""
        match = re.compile(r"[ \t]*").match(self.text, self.line_start(position))
        assert match is not None
        return match.group()

    def starts_line(self, position: int) -> bool:
        """Tell whether only white space stands in front of ``position`` on its line."""
        return not self.text[self.line_start(position) : position].strip()

    def ends_line(self, position: int) -> bool:
        """Tell whether only white space or a comment stands behind ``position`` on its line."""
        rest = self.text[position : self.line_end(position)].strip()
        return not rest or rest.startswith("#")

    def ancestors(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield the parent of ``node``, the parent's parent, and so on to the module."""
        while node in self.parents:
            node = self.parents[node]
            yield node

    def enclosing(self, node: ast.AST, kind: type[Node]) -> Node | None:
        """Return the innermost node of type ``kind`` around ``node``."""
        return next((found for found in self.ancestors(node) if isinstance(found, kind)), None)
