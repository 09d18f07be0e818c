"""How much of a text one resource shows."""

import re

MAX_CHARS = 60_000
"""Of text from the store; clients cut what a model reads at about 25,000 tokens."""

_CONTROL = re.compile(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]")


def start_of(text: str, *, rest: str, max_chars: int = MAX_CHARS) -> str:
    """Return the whole lines that fit, and where a cut text goes on."""
    if len(text) <= max_chars:
        return text
    shown = text[:max_chars]
    shown = shown[: shown.rfind("\n") + 1] or f"{shown}\n"
    return f"{shown}[cut here, {len(text) - len(shown)} characters before the end: {rest}]\n"


def end_of(text: str, *, rest: str, max_chars: int = MAX_CHARS) -> str:
    """Return the last whole lines that fit, and where what is before them is."""
    if len(text) <= max_chars:
        return text
    shown = text[-max_chars:]
    _, at_line, lines = shown.partition("\n")
    shown = lines if at_line and lines else shown
    return f"[begins here, {len(text) - len(shown)} characters after the start: {rest}]\n{shown}"


def printable(text: str) -> str:
    """Spell out control characters: what a network prints must not reach a terminal as it is."""
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text)
