"""Characters that editors, chats and models put in the place of those that Python reads."""

import html
import unicodedata
from collections.abc import Callable, Iterable
from typing import Literal

Class = Literal["quotes", "spaces", "zero-width", "dashes", "entities"]

MINUS_SIGNS = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"

_TABLES: dict[Class, dict[int, str]] = {
    "quotes": {
        **dict.fromkeys(map(ord, "\u2018\u2019\u201a\u201b\u2032\u2035"), "'"),
        **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u2033\u2036"), '"'),
    },
    "spaces": dict.fromkeys([0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " "),
    "zero-width": dict.fromkeys([0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF], ""),
    "dashes": dict.fromkeys(map(ord, MINUS_SIGNS), "-"),
}
_ALL = {key: value for table in _TABLES.values() for key, value in table.items()}

CLASSES: tuple[Class, ...] = ("quotes", "spaces", "zero-width", "dashes", "entities")


def unescaped(text: str) -> str:
    """Return ``text`` without HTML entities; as it is where one of them is no number."""
    try:
        return html.unescape(text)
    except ValueError:  # thousands of digits
        return text


def replace(text: str, classes: Iterable[Class]) -> str:
    """Return ``text`` with the characters of these classes as Python reads them."""
    for name in classes:
        text = unescaped(text) if name == "entities" else text.translate(_TABLES[name])
    return text


Fold = Callable[[str], str]


def folding(*, entities: bool) -> Fold:
    """Return the function that makes lines comparable, whatever characters they are written in.

    Args:
        entities: Whether HTML entities are read as the characters they stand for.
    """

    def fold(text: str) -> str:
        if entities and "&" in text:
            text = unescaped(text)
        return text if text.isascii() else unicodedata.normalize("NFC", text.translate(_ALL))

    return fold


def needed(written: str, real: str) -> frozenset[Class]:
    """Return the classes in which a line as written differs from the real one that it means."""
    if written == real or (written.isascii() and "&" not in written):
        return frozenset()
    return frozenset(name for name in CLASSES if _count(written, name) > _count(real, name))


def _count(text: str, name: Class) -> int:
    if name == "entities":
        return int(unescaped(text) != text)
    table = _TABLES[name]
    return sum(ord(character) in table for character in text)
