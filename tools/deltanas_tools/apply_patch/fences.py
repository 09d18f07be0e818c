"""Finds the diff in an answer that is written in pieces: fenced, outside of fences, or both.

A piece that holds a change is never dropped: it may be one half of what the answer says.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from deltanas_tools.apply_patch.prose import is_bullet, is_code_like, is_rule

_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([\w.+-]*)[^`\n]*$")
_DIFF_TAGS = frozenset({"diff", "patch", "udiff", "unidiff"})
_DIFF_LINE = re.compile(
    r"^[ \t]*(?:@@|--- \S|\+\+\+ \S|\*\*\* (?:Begin|Update|Add|Delete) )", re.MULTILINE
)
_ANCHOR = re.compile(r"^([ \t]*)(?:@@|--- \S)", re.MULTILINE)
_QUOTED = re.compile(r"^[ \t]*> ?(?:@@|--- |\+\+\+ |[-+]\S|[-+] {2,}\S)", re.MULTILINE)
_BREAK = "```\n"
"""Keeps the lines of one piece out of the last hunk of another."""

Has = Callable[[str], bool]
"""Whether the parent has a line, white space and typographic characters apart."""


@dataclass(frozen=True)
class _Piece:
    """A run of lines inside of a fence, or outside of all."""

    text: str
    tag: str | None = None
    """What the fence is tagged with; None outside."""

    @property
    def has_diff(self) -> bool:
        return _DIFF_LINE.search(self.text) is not None

    def is_part(self, has: Has) -> bool:
        """Whether this is a part of the change."""
        if self.has_diff:
            return True
        lines = self.text.split("\n")
        if self.tag in _DIFF_TAGS:
            return any(line[:1] in ("-", "+") for line in lines)
        return any(is_change(line, has) for line in lines)


def is_change(line: str, has: Has) -> bool:
    """Say whether a line that stands alone is surely a change, and no item of a list."""
    if line[:1] not in ("-", "+") or not line[1:].strip() or is_rule(line):
        return False
    if line[0] == "-":
        return has(line[1:]) or (not is_bullet(line) and is_code_like(line[1:]))
    return not is_bullet(line) or is_code_like(line[1:])


def unfenced(text: str, has: Has) -> tuple[str, bool]:
    """Return the pieces that are a diff, in order; without any, all that is in no fence."""
    if "```" not in text and "~~~" not in text:
        return text, False
    pieces = _pieces(text)
    blocks = [piece for piece in pieces if piece.tag is not None]
    chosen = [piece for piece in pieces if piece.is_part(has)]
    if not chosen and len(blocks) == 1:
        chosen = blocks if re.search(r"^[-+]", blocks[0].text, re.MULTILINE) else []
    if not chosen:
        chosen = [piece for piece in pieces if piece.tag is None]
    texts = dict.fromkeys(dedented(piece.text)[0] for piece in chosen)
    return _BREAK.join(texts), bool(blocks)


def _pieces(text: str) -> list[_Piece]:
    """Cut a text at its fences.

    A fence left open ends with the text; where there is a diff above and none below, it only
    closes, and what is below is in no fence. In a diff outside of fences, an indented fence is a
    line of the diff.
    """
    pieces: list[_Piece] = []
    lines: list[str] = []
    opening: re.Match[str] | None = None
    in_diff = False
    for line in text.split("\n"):
        fence = _FENCE.match(line)
        if opening is None and fence is not None and not (in_diff and fence[1]):
            pieces.append(_Piece(_joined(lines)))
            opening, lines, in_diff = fence, [], False
        elif opening is not None and _closes(fence, opening):
            pieces.append(_Piece(_joined(lines, opening[1]), opening[3].lower()))
            opening, lines = None, []
        else:
            lines.append(line)
            in_diff = in_diff or line.startswith(("@@", "--- "))
    last = _Piece(_joined(lines, opening[1] if opening else ""), opening and opening[3].lower())
    if any(piece.has_diff for piece in pieces if piece.tag is None) and not last.has_diff:
        last = _Piece(last.text, last.tag if last.tag in _DIFF_TAGS else None)
    return [piece for piece in [*pieces, last] if piece.text.strip()]


def _closes(fence: re.Match[str] | None, opening: re.Match[str]) -> bool:
    return (
        fence is not None
        and not fence[3]
        and fence[1] == opening[1]
        and fence[2].startswith(opening[2])
    )


def _joined(lines: list[str], indentation: str = "") -> str:
    return "".join(f"{line.removeprefix(indentation)}\n" for line in lines)


def unquoted(text: str) -> tuple[str, bool]:
    """Return the quoted lines without their marks, where the change is in a quotation.

    Lines without a mark stay where they are: they may have lost it.
    """
    if ">" not in text or _ANCHOR.search(text) or _QUOTED.search(text) is None:
        return text, False
    quoted = [line.lstrip() for line in text.split("\n") if line.lstrip().startswith(">")]
    mark = "> " if all(line.startswith("> ") or line.strip() == ">" for line in quoted) else ">"
    return "\n".join(_unmarked(line, mark) for line in text.split("\n")), True


def _unmarked(line: str, mark: str) -> str:
    bare = line.lstrip()
    if bare.startswith(">"):
        return "" if bare.strip() == ">" else bare.removeprefix(mark)
    return line


def dedented(text: str) -> tuple[str, bool]:
    """Return the text without the indentation that the whole diff has."""
    anchors = [match[1] for match in _ANCHOR.finditer(text)]
    if anchors:
        shared = min(anchors, key=len) if all(anchors) else ""
    else:
        lines = [line for line in text.split("\n") if line.strip()]
        leads = {line[: len(line) - len(line.lstrip())] for line in lines}
        shared = min(leads, key=len, default="")
        marked = any(line[len(shared) :][:1] in ("+", "-") for line in lines)
        shared = shared if marked else ""
    if not shared:
        return text, False
    return "\n".join(_strip(line, shared) for line in text.split("\n")), True


def _strip(line: str, shared: str) -> str:
    return line[len(shared) :] if line.startswith(shared) else line.lstrip()
