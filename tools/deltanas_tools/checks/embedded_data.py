"""How much data a candidate carries that its parent does not. Nothing of the source is run.

Weights that were trained elsewhere, tables of answers and packed blobs are no architecture, and
one epoch of training would score them as if they were. Both limits leave room for a whole program
over a parent that has nothing in common with it; they bound what a source can carry, and do not
keep data out of it: the labels of 10,000 images of ten classes fit into 4.2 kB.
"""

import ast
import zlib
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from typing import TypeVar

from deltanas_repo_store.errors import BuildError
from deltanas_tools.syntax import parse

MAX_LITERAL_BYTES = 4 * 1024
"""Literals that a candidate may have and its parent not.

The largest of LEMUR's networks has 3,018 bytes of them in all (of the 9,690 in nn-dataset 2.1.2
that are not third-party files pasted together, ``rag-*``). A delta needs less: at most 1,046 in
960 of the mutation proposer, of 1 to 12 edits of the baselines.
"""

MAX_PACKED_BYTES = 8 * 1024
"""Lines that a candidate may have and its parent not, as zlib packs them.

A program can read its own comments and names, so everything counts; packed, since code packs to
about a third of its length and data hardly. The same networks of LEMUR have up to 25,520 bytes
and pack to at most 5,883; the same deltas to at most 1,378.
"""

_Item = TypeVar("_Item", bound=Hashable)
_Literal = tuple[type, object]
"""A type and a value: ``1``, ``1.0`` and ``True`` are equal, and not the same literal."""


def check_no_embedded_data(source: str, parent: str) -> None:
    """Check that a candidate brings little data that its parent does not have.

    The size of a literal is its length in bytes, for a string in UTF-8, and 8 for a number or
    another constant; a longer integer has its own. Docstrings and the text of f-strings count.
    What the parent has, line by line and literal by literal, counts only where the candidate has
    it more often. A text that is not Python has no literals: the interface check refuses it.

    Raises:
        BuildError: code ``embedded-data``. No text raises anything else.
    """
    _check_literals(source, parent)
    _check_text(source, parent)


def _check_literals(source: str, parent: str) -> None:
    sizes: Counter[int] = Counter()
    for line, (_, value) in _new(_literals(source), _literals(parent)):
        sizes[line] += _size(value)
    found = sizes.total()
    if found > MAX_LITERAL_BYTES:
        line, most = sizes.most_common(1)[0]
        raise BuildError(
            f"expected at most {MAX_LITERAL_BYTES} bytes of literals that the parent does not "
            f"have, found {found}, {most} of them at line {line}; leave the data out: a network "
            "learns its weights in training",
            code="embedded-data",
        )


def _check_text(source: str, parent: str) -> None:
    lines = _new(_lines(source), _lines(parent))
    text = "\n".join(line for _, line in lines).encode("utf-8", "surrogatepass")
    packed = len(zlib.compress(text))
    if packed > MAX_PACKED_BYTES:
        longest, _ = max(lines, key=lambda each: len(each[1]))
        raise BuildError(
            f"expected lines that the parent does not have to pack to at most {MAX_PACKED_BYTES} "
            f"bytes, comments included; found {len(text)} bytes that pack to {packed}, the longest "
            f"line at line {longest}; leave data out, and change less at a time",
            code="embedded-data",
        )


def _new(
    found: Iterable[tuple[int, _Item]], known: Iterable[tuple[int, _Item]]
) -> list[tuple[int, _Item]]:
    """Return what is found, with its line, more often than it is known."""
    left = Counter(item for _, item in known)
    new = []
    for line, item in found:
        if left[item]:
            left[item] -= 1
        else:
            new.append((line, item))
    return new


def _lines(source: str) -> Iterator[tuple[int, str]]:
    return enumerate(source.split("\n"), start=1)


def _literals(source: str) -> Iterator[tuple[int, _Literal]]:
    try:
        tree = parse(source)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant):
            yield node.lineno, (type(node.value), node.value)


def _size(value: object) -> int:
    match value:
        case str():
            return len(value.encode("utf-8", "surrogatepass"))  # "\ud800" is Python
        case bytes():
            return len(value)
        case int():
            return max(8, (value.bit_length() + 7) // 8)
        case _:
            return 8
