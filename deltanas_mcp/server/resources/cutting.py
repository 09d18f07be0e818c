"""How much of a text one resource shows."""

MAX_CHARS = 60_000
"""Of text from the store; clients cut what a model reads at about 25,000 tokens."""


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
