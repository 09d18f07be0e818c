"""Ideas: what a delta takes out and puts in, wherever that stands in the source.

White space, blank lines, comments on lines of their own and the order of lines have no say.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

VERSION = 1
"""Of the rule: digests of different ones do not compare."""
MIN_LENGTH = 10
"""Characters of a line that says something: ``return x`` comes and goes for many reasons."""

Lines = Counter[str]


def lines_of(source: str) -> Lines:
    """Count the lines of a source that are more than white space and comments."""
    lines = (" ".join(line.split()) for line in source.splitlines())
    return Counter(line for line in lines if line and not line.startswith("#"))


def idea_digest(old: Lines, new: Lines) -> str:
    """Return the digest of what turns one source into another; empty where it is nothing."""
    removed, added = old - new, new - old
    if not removed and not added:
        return ""
    marked = [f"-{line}" for line in sorted(removed.elements())]
    marked += [f"+{line}" for line in sorted(added.elements())]
    return hashlib.sha256("\n".join(marked).encode(errors="backslashreplace")).hexdigest()


def coming_back(added: Iterable[str], old: Lines, new: Lines) -> tuple[str, ...]:
    """Return the lines among ``added`` that the step from ``old`` to ``new`` took out."""
    removed = old - new
    return tuple(line for line in added if line in removed and _says_something(line))


def _says_something(line: str) -> bool:
    return len(line) >= MIN_LENGTH and re.search(r"\w", line) is not None
