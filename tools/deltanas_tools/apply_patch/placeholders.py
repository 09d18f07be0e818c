"""Tells comments that stand for code from comments about it: ``# ... unchanged ...``."""

import re

_MAX_CHARS = 500
"""Characters of a line that are looked at."""
_MAX_WORDS = 12

_DOTS_ONLY = re.compile(r"^[#/(\[{]*\s*(?:\.\s?){3,}[)\]}]*$|^[#/(\[]*\s*\u2026+\s*[)\]]*$")
_COMMENT = re.compile(r"^(?:pass\s*|\.\.\.\s*)?(?:#+|//)\s*(?P<text>.*)$")
_STRING = re.compile(r"^(?:\"\"\"|\'\'\'|\"|\')(?P<text>[^\"\']*)(?:\"\"\"|\'\'\'|\"|\')$")
_AFTER_CODE = re.compile(
    r"#\s*(?:\.{3,}|\u2026).*\b(?:rest|unchanged|remaining|existing|omitted)\b", re.IGNORECASE
)
_DOTS = re.compile(r"\.{3,}|\u2026")
_WITH_DOTS = re.compile(
    r"\b(?:rest|remain\w*|existing|unchanged|previous|omitted|same|other|code|before|continue\w*|"
    r"original|more|init|forward|etc)\b",
    re.IGNORECASE,
)

_CODE = r"(?:code|lines?|layers?|methods?|imports?|implementation|functions?|body|logic|parts?)"
_PLACE = r"(?:class|method|function|module|file|script|network|model|block|init|__init__|forward)"
_LEFT = (
    r"(?:unchanged|unmodified|omitted|(?:exactly )?(?:the )?same|as (?:it )?(?:is|was)|as before)"
)
_STAYS = r"(?:is|are|stays?|remains?|kept|left|goes|continues?|follows?)"
_SURE = re.compile(
    "|".join(
        [
            r"^(?:the )?(?:rest|remainder|everything(?: else)?)\b(?: of [\w ]+)?"
            rf"(?: {_STAYS})+ {_LEFT}",
            rf"^(?:the )?(?:rest|remainder) of (?:the |this |your )?(?:\w+\'?s? )?{_CODE}",
            rf"^(?:the )?(?:rest|remainder)(?: {_LEFT})?$",
            rf"^(?:the )?(?:\w+ )?(?:{_CODE}|{_PLACE}) (?:{_STAYS} )?{_LEFT}\b",
            rf"^(?:existing|original|previous|remaining|other|your|same) (?:\w+ )?{_CODE}"
            rf"(?:\s*:|\s+here|\s+(?:{_STAYS}|{_LEFT})\b.*)?$",
            rf"^(?:existing|original|your) {_PLACE} (?:here|{_CODE})",
            rf"^{_LEFT}(?: (?:here|above|below))?$",
            r"^(?:no changes?|unchanged)(?: (?:here|below|above|needed))?$",
            r"^same as (?:before|above|(?:the )?(?:original|baseline|parent))\b",
            r"^as before\b",
            rf"^unchanged {_CODE}",
            rf"^(?:the )?(?:remaining|other) {_CODE} (?:are identical|as in)\b",
            r"^(?:etc|snip|skipped|not shown|and so on|leave as is|continue as usual)$",
            r"^identical to (?:the )?(?:baseline|parent|original)\b",
            rf"^keep (?:the )?(?:rest|existing|remaining|other|original)\b.*(?:{_LEFT}|{_CODE}|$)",
        ]
    ),
    re.IGNORECASE,
)
_MAYBE = re.compile(
    r"^(?:the )?(?:rest|remainder) of\b"
    rf"|^(?:existing|remaining|other|previous) (?:{_CODE}|blocks?)$",
    re.IGNORECASE,
)


def is_elision(text: str) -> bool:
    """Say whether a line stands for lines that are left out: ``...``, ``# ...``."""
    return bool(_DOTS_ONLY.match(text[:_MAX_CHARS].strip())) or is_placeholder(text)


def is_plain_elision(text: str) -> bool:
    """Say whether a line is three dots, which are Python too."""
    return text.strip() in ("...", "\u2026")


def is_placeholder(text: str, following: str = "") -> bool:
    """Say whether a line is a comment, or a string, in the place of code.

    Args:
        text: The line.
        following: The line after it, where it is known. A comment that may be a heading is one
            if code follows.
    """
    stripped = text[:_MAX_CHARS].strip()
    if _AFTER_CODE.search(stripped):
        return True
    match = _COMMENT.match(stripped)
    string = None if match else _STRING.match(stripped)
    if match is None and string is None:
        return False
    found = match or string
    comment = found["text"].strip(" -=*#<>") if found else ""
    words = comment.strip(" ()[]")
    if len(words.split()) > _MAX_WORDS:
        return False
    if _DOTS.search(words):
        rest = _DOTS.sub(" ", words).strip(" -().,:")
        return not rest or words.startswith(("...", "\u2026")) or bool(_WITH_DOTS.search(rest))
    if string is not None:
        return False
    if _SURE.search(words.rstrip(".: ")):
        return True
    is_bracketed = comment.startswith(("[", "("))
    is_heading = (
        not is_bracketed and bool(following.strip()) and not following.strip().startswith("#")
    )
    return not is_heading and bool(_MAYBE.search(words.rstrip(".: ")))
