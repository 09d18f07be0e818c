"""Text that a model wrote, made safe to show: nothing in it acts, and nothing hides."""

import unicodedata

# Control, format (bidirectional overrides, zero-width), surrogate, private and unassigned
# characters, and the Unicode line separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_LAYOUT = frozenset("\n\t")
_FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes a cell for a formula by."""


def visible(text: str) -> str:
    """Return text with every character spelt out that has no shape, line ends and tabs apart.

    What reorders or hides a line on a page could show another delta than the one that was tried.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _spelt(char) if char not in _LAYOUT and unicodedata.category(char) in _HIDDEN else char
        for char in text
    )


def _spelt(char: str) -> str:
    point = ord(char)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{{{point:x}}}"


def cut(text: str, limit: int) -> str:
    """Return text of at most so many characters."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def one_line(text: str, limit: int) -> str:
    """Return text as one line of at most so many characters."""
    return cut(" ".join(visible(text[: limit * 8]).split()), limit)


def cell(text: str) -> str:
    """Return text as a cell of a table of data, which no spreadsheet takes for a formula."""
    safe = visible(text)
    return f"'{safe}" if safe.lstrip().startswith(_FORMULA) else safe
