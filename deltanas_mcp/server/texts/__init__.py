"""Texts that clients get whole: one Markdown file each."""

from importlib.resources import files


def text(name: str) -> str:
    """Return a text by the name of its file."""
    return (files(__name__) / f"{name}.md").read_text(encoding="utf-8")
