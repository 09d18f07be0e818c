"""Tells what models write about code from code: trailing explanations, elisions, placeholders."""

import ast
import re
import warnings

_ELISION = re.compile(r"^(?:[#/(\[{]|//)*\s*(?:\.\s?){3,}\s*[)\]}]*$|^[#/(\[]*\s*\u2026+\s*[)\]]*$")
_COMMENT = re.compile(r"^(?:pass\s*|\.\.\.\s*)?(?:#+|//)\s*(?P<text>.*)$")
_DOTS = re.compile(r"\.{3,}|\u2026")
_THINGS = "code|lines?|layers?|methods?|imports?|implementation|functions?|blocks?|parts?|content"
_OMITTED = re.compile(
    "|".join(
        [
            r"\b(?:rest|remainder) of\b",
            r"\b(?:unchanged|omitted|un ?modified)\b",
            r"\b(?:as|like) before\b",
            r"\bno changes?\b",
            r"\b(?:existing|previous|original|remaining|other|rest|same)\b(?:\s+\w+)?"
            rf"\s+(?:{_THINGS})(?:\s+(?:here|above|below|stays?|remains?|continues?|goes|as|is|are|"
            r"the same)\b.*)?$",
            r"\b(?:stays?|remains?|kept|is|are) (?:exactly )?the same\b",
            r"\bcode (?:continues|goes)\b",
            r"\bkeep (?:the )?(?:rest|existing|remaining|other)\b",
            r"\bsame as (?:above|before|in|the)\b",
        ]
    ),
    re.IGNORECASE,
)
_AFTER_DOTS = re.compile(
    r"\b(?:rest|remain\w*|existing|unchanged|previous|omitted|same|other|code|before|continue\w*|"
    r"original|more|init|forward|etc)\b",
    re.IGNORECASE,
)
_MAX_PLACEHOLDER_WORDS = 12
_MAX_CHARS = 500
"""Characters of a line that are looked at: the patterns and the parser cost more than linear."""
_KEYWORD = re.compile(
    r"^(?:@\w|\#|(?:def|class|async def)\s+\w+|(?:if|elif|while|for|with|except|match|case)\b.*:$"
    r"|(?:else|try|finally)\s*:$|(?:return|raise|yield|assert|del|global|nonlocal|import|from)\b)"
)
_ASSIGNMENT = re.compile(r"^[\w.\[\]'\", *()]+\s*(?:[-+*/%&|^@]|//|\*\*|>>|<<|:)?=(?!=)\s*\S?")
_BRACKETS_ONLY = re.compile(r"^[\s()\[\]{},:]+$")
_RULE = re.compile(r"[-+*_=]{3,}\s*$")
_BULLET = re.compile(r"^\s*(?:[-+*\u2022]|\d{1,3}[.)]) \S")
_STRINGS = re.compile(r"\"[^\"]*\"|'[^']*'")


def is_elision(text: str) -> bool:
    """Say whether a line stands for lines that are left out: ``...``, ``# ...``."""
    stripped = text[:_MAX_CHARS].strip()
    return bool(_ELISION.match(stripped)) or is_placeholder(stripped)


def is_plain_elision(text: str) -> bool:
    """Say whether a line is three dots, which are Python too."""
    return text.strip() in ("...", "\u2026")


def is_placeholder(text: str) -> bool:
    """Say whether a line is a comment in the place of code: ``# ... unchanged ...``."""
    match = _COMMENT.match(text[:_MAX_CHARS].strip())
    if match is None:
        return False
    words = match["text"].strip(" -=*#()[]<>")
    if len(words.split()) > _MAX_PLACEHOLDER_WORDS:
        return False
    dots = _DOTS.search(words)
    if dots:
        rest = _DOTS.sub(" ", words).strip(" -().,:")
        return not rest or words.startswith(("...", "\u2026")) or bool(_AFTER_DOTS.search(rest))
    return bool(_OMITTED.search(words))


def is_bullet(line: str) -> bool:
    """Say whether a line looks like an item of a list in running text."""
    return bool(_BULLET.match(line))


def is_rule(line: str) -> bool:
    """Say whether a line is drawn, to part one text from another."""
    return bool(_RULE.match(line))


def is_code_like(text: str) -> bool:
    """Say whether a line could be Python, or a part of a statement: when in doubt, it is."""
    stripped = text[:_MAX_CHARS].strip()
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
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return ast.parse(attempt)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
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
