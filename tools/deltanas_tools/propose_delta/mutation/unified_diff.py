"""Render the difference between two sources as a unified diff that `git apply` takes."""

import difflib
import re

NO_FINAL_NEWLINE = "\n\\ No newline at end of file\n"


def unified_diff(before: str, after: str) -> str:
    """Return the diff of ``net.py`` with three lines of context; empty for equal sources.

    Lines end at line feeds only, as git sees them; a carriage return is part of its line.
    """
    lines = difflib.unified_diff(_lines(before), _lines(after), "a/net.py", "b/net.py", n=3)
    return "".join(line if line.endswith("\n") else line + NO_FINAL_NEWLINE for line in lines)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+", text)
