"""Which lines of a source a delta may touch, read from its syntax tree. Nothing of it is run."""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deltanas_repo_store.delta import split_lines
from deltanas_tools.checks.frozen_parts import FROZEN_METHODS, HYPERPARAMETERS, classes_of
from deltanas_tools.checks.interface import Function
from deltanas_tools.syntax import parse

BYTE_ORDER_MARK = "\ufeff"
WHITE = " \t\f"
"""What Python takes for indentation."""
_ENDS = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Editable:
    r"""What may change in a source of n lines, which end at ``\n`` only; lines count from 0."""

    lines: tuple[bool, ...]
    """Whether line i may be removed."""
    gaps: tuple[bool, ...]
    """Whether something may be inserted before line i; n + 1 of them, the last for the end."""
    guards: tuple[str | None, ...]
    """The deepest indentation of the first code inserted before line i, where anything deeper
    would belong to the frozen function above; None where none is above."""
    frozen: tuple[range, ...]
    """The lines of the frozen functions, decorators included, in the order of the source."""


def editable(source: str, *, frozen_parts: bool = True) -> Editable:
    """Return what a delta may touch: all but the frozen functions of an architecture.

    They are `supported_hyperparameters`, and the methods `train_setup` and `learn` of `Net` and
    of its bases within the module.

    Args:
        source: The parent. All of one that is no Python is editable.
        frozen_parts: Whether there are any.
    """
    texts = split_lines(source)
    frozen = tuple(_frozen(source, texts)) if frozen_parts else ()
    lines, gaps = [True] * len(texts), [True] * (len(texts) + 1)
    guards: list[str | None] = [None] * (len(texts) + 1)
    for span in frozen:
        lines[span.start : span.stop] = [False] * len(span)
        gaps[span.start + 1 : span.stop] = [False] * (len(span) - 1)
        following = next_code(texts, span.stop)
        indent = indentation(texts[span.start])
        guards[span.stop : following + 1] = [indent] * (following + 1 - span.stop)
    return Editable(tuple(lines), tuple(gaps), tuple(guards), frozen)


def next_code(lines: Sequence[str], start: int) -> int:
    """Return the next line that is neither blank nor a comment; the end if there is none."""
    for at in range(start, len(lines)):
        text = lines[at].lstrip(WHITE)
        if text.rstrip("\r\n") and not text.startswith("#"):
            return at
    return len(lines)


def indentation(line: str) -> str:
    """Return the white space that a line begins with."""
    return line[: len(line) - len(line.lstrip(WHITE))]


def _frozen(source: str, lines: Sequence[str]) -> Iterator[range]:
    try:
        tree = parse(source.removeprefix(BYTE_ORDER_MARK))
    except SyntaxError:
        return
    # For Python a line ends at a lone carriage return too.
    at = [number for number, line in enumerate(lines) for _ in _ENDS.findall(line) or [line]]
    bodies: list[tuple[list[ast.stmt], tuple[str, ...]]] = [(tree.body, (HYPERPARAMETERS,))]
    bodies += [(each.body, FROZEN_METHODS) for each in classes_of(tree, "Net")]
    functions = [
        node
        for body, names in bodies
        for node in body
        if isinstance(node, Function) and node.name in names
    ]
    for node in sorted(functions, key=lambda each: each.lineno):
        start = min(each.lineno for each in (node, *node.decorator_list))
        assert node.end_lineno is not None
        yield range(at[start - 1], at[node.end_lineno - 1] + 1)
