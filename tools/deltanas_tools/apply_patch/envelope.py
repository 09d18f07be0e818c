"""Takes an answer out of its envelope: thoughts, hyper-parameters, the tags round the delta."""

import re

_THOUGHTS = "think|thinking|thought|thoughts|reasoning|scratchpad|analysis"
_THOUGHT_OPEN = re.compile(rf"^[ \t]*<({_THOUGHTS})>", re.MULTILINE | re.IGNORECASE)
_THOUGHT_CLOSE = re.compile(rf"</({_THOUGHTS})>", re.IGNORECASE)
_TAG_OPEN = re.compile(r"^[ \t]*<(delta|diff|patch)(?: [^>\n]*)?>", re.MULTILINE | re.IGNORECASE)
_CHANGE = re.compile(r"^(?:@@|```|~~~|--- |\+\+\+ )", re.MULTILINE)
_GOES_ON = re.compile(r"^(?:@@|[-+][^ \n]|[-+ ] {2,}\S)", re.MULTILINE)


def without_thoughts(text: str) -> tuple[str, str]:
    """Return what follows the thought that an answer begins with, and the name of its tag.

    A thought that a template opened for the model has no beginning in the answer; one that the
    model never ended is all there is after it. Once a diff has begun, such a tag is text.
    """
    begun = _CHANGE.search(text)
    opening = _THOUGHT_OPEN.search(text)
    if opening is not None and (begun is None or opening.start() < begun.start()):
        closing = re.compile(f"</{opening[1]}>", re.IGNORECASE).search(text, opening.end())
        after = text[closing.end() :] if closing else ""
        return text[: opening.start()] + after, opening[1].lower()
    closing = _THOUGHT_CLOSE.search(text)
    if closing is None:
        return text, ""
    line = _line_before(text, closing.start())
    is_early = begun is None or closing.start() < begun.start()
    # A tag that is moved in may be a line that a diff keeps.
    if not line or (is_early and line[0] not in "+- "):
        return text[closing.end() :], closing[1].lower()
    return text, ""


def cut(text: str, name: str) -> tuple[str | None, str]:
    """Return what the first ``<name>`` tag at the beginning of a line holds, and the rest."""
    opening = re.search(rf"^[ \t]*<{name}>", text, re.MULTILINE | re.IGNORECASE)
    if opening is None:
        return None, text
    closing = re.compile(f"</{name}>", re.IGNORECASE).search(text, opening.end())
    if closing is None:
        return None, text
    return text[opening.end() : closing.start()], text[: opening.start()] + text[closing.end() :]


def tagged(text: str) -> tuple[str, str]:
    """Return what the tags for a delta hold, and the first tag's name."""
    openings = list(_TAG_OPEN.finditer(text))
    if not openings:
        return text, ""
    bodies: list[str] = []
    for opening, following in zip(openings, [*openings[1:], None], strict=True):
        end = following.start() if following else len(text)
        bodies.append(_inside(text[opening.end() : end], opening[1]).strip("\n"))
    return "\n".join(bodies), openings[0][1].lower()


def _inside(text: str, name: str) -> str:
    """Return the text up to its closing tag; one in the midst of a change is a part of it."""
    closings = list(re.finditer(f"</{name}>", text, re.IGNORECASE))
    alone = [each for each in closings if not _line_before(text, each.start()).strip()]
    if alone:
        return text[: alone[-1].start()]
    if closings and not _GOES_ON.search(text, closings[-1].end()):
        return text[: closings[-1].start()]
    return text


def _line_before(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 : at]
