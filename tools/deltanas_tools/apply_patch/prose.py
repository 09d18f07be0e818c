"""Tells what models write about code from code: when in doubt, a line is code."""

import ast
import contextlib
import re

from deltanas_tools.syntax import parse

_MAX_CHARS = 500
"""Characters of a line that are looked at: the patterns and the parser cost more than linear."""
_KEYWORD = re.compile(
    r"^(?:@\w|\#|(?:def|class|async def)\s+\w+|(?:if|elif|while|for|with|except|match|case)\b.*:$"
    r"|(?:else|try|finally)\s*:$|(?:return|raise|yield|assert|del|global|nonlocal|import|from)\b)"
)
_ASSIGNMENT = re.compile(r"^[\w.\[\]'\", *()]+(?:[-+*/%&|^@]|//|\*\*|>>|<<|:)?=(?!=)\s*\S?")
_BRACKETS_ONLY = re.compile(r"^[\s()\[\]{},:]+$")
_RULE = re.compile(r"(?:-{3,}|\+{3,}|\*{3,}|_{3,}|={3,})\s*$")
_BULLET = re.compile(r"^\s*(?:[-+*\u2022]|\d{1,3}[.)]) \S")
_STRINGS = re.compile(r"\"[^\"]*\"|'[^']*'")


def is_bullet(line: str) -> bool:
    """Say whether a line looks like an item of a list in running text."""
    return bool(_BULLET.match(line))


def is_rule(line: str) -> bool:
    """Say whether a line is drawn, to part one text from another."""
    return bool(_RULE.match(line))


def is_code_like(text: str) -> bool:
    """Say whether a line could be Python, or a part of a statement: when in doubt, it is."""
    stripped = " ".join(text[:_MAX_CHARS].split())
    if not stripped:
        return False
    if _KEYWORD.match(stripped) or _BRACKETS_ONLY.match(stripped):
        return not _is_sentence(stripped)
    if _parses_as_code(stripped) or _ASSIGNMENT.match(stripped):
        return True
    bare = _STRINGS.sub("", stripped)
    is_open = any(bare.count(left) != bare.count(right) for left, right in ("()", "[]", "{}"))
    return is_open or (stripped.endswith((",", "\\")) and "(" in stripped)


def _is_sentence(text: str) -> bool:
    """Tell "for this, see below:" and "from now on it learns" from statements."""
    if text.startswith(("@", "#", "def", "class", "async")):
        return False
    return not _parses(text) and len(text.split()) > 3 and text.endswith((".", "!", "?"))


def _parses(text: str) -> ast.Module | None:
    for attempt in (text, f"{text} pass"):
        with contextlib.suppress(SyntaxError):
            return parse(attempt)
    return None


def _parses_as_code(text: str) -> bool:
    """Say whether a line is a statement that does something; a lone word is not."""
    module = _parses(text)
    if module is None or len(module.body) != 1:
        return module is not None and len(module.body) > 1
    match module.body[0]:
        case ast.Expr(value=ast.Call() | ast.Await() | ast.Yield() | ast.YieldFrom()):
            return True
        case ast.Expr(value=ast.Constant(value=value)):
            return isinstance(value, str | bytes)
        case ast.Expr() | ast.AnnAssign(value=None):
            return False
        case _:
            return True


def is_element(line: str) -> bool:
    """Say whether a line could be an element of a call, a list or a dictionary on several lines."""
    text = line[:_MAX_CHARS].strip()
    return any(_parses(form) is not None for form in (f"f(\n{text}\n)", f"{{{text}}}"))
