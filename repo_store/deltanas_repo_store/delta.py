"""The canonical delta: one unified diff of ``net.py``, as git would show it."""

import difflib
from collections.abc import Iterator

NO_NEWLINE = "\\ No newline at end of file"


def render_delta(before: str, after: str, name: str = "net.py") -> str:
    r"""Return the unified diff that turns ``before`` into ``after``, with 3 lines of context.

    Lines end at ``\n`` only; a carriage return belongs to its line. Empty for equal texts.
    """
    return "".join(_lines(before, after, name))


def _lines(before: str, after: str, name: str) -> Iterator[str]:
    old, new = split_lines(before), split_lines(after)
    for line in difflib.unified_diff(old, new, f"a/{name}", f"b/{name}"):
        yield line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}\n"


def split_lines(text: str) -> list[str]:
    r"""Split after each ``\n`` and nowhere else; the last line may lack one."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
