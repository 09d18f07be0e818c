"""Takes off what models put round a diff: thoughts, tags, fences, quote marks, indentation."""

import re
from dataclasses import dataclass, replace

_TAG_OPEN = re.compile(r"^[ \t]*<(delta|diff|patch)(?: [^>\n]*)?>", re.MULTILINE | re.IGNORECASE)
_FENCE = re.compile(r"^([ \t]*)(`{3,}|~{3,})[ \t]*([\w.+-]*)[^`\n]*$")
_DIFF_TAGS = frozenset({"diff", "patch", "udiff", "unidiff"})
_DIFF_LINE = re.compile(
    r"^[ \t>]*(?:@@|--- |\+\+\+ |\*\*\* (?:Begin|Update|Add|Delete) )", re.MULTILINE
)
_HUNK_LINE = re.compile(r"^@@", re.MULTILINE)
_MARKED = re.compile(r"^[ \t]*[-+]", re.MULTILINE)
_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,5}|#x[0-9a-fA-F]{1,4});")
_ANCHOR = re.compile(r"^([ \t]*)(?:@@|--- \S)", re.MULTILINE)
_QUOTED = re.compile(r"^[ \t]*> ?(?:@@|--- |\+\+\+ |[-+ ])", re.MULTILINE)


@dataclass(frozen=True)
class Dressed:
    """An answer's change, and what was taken off to get at it."""

    text: str
    notes: tuple[str, ...] = ()
    hparams: str | None = None
    """What the answer's ``<hp>`` tag holds."""
    enclosed: bool = False
    """Whether a tag or a fence says that this is the change."""


def normalised(answer: str) -> str:
    r"""Return the answer without a byte-order mark, its lines ended by ``\n``."""
    text = answer.removeprefix("\ufeff").replace("\r\n", "\n")
    return text if "\n" in text else text.replace("\r", "\n")


def unwrap(text: str) -> Dressed:
    """Take out the answer's thoughts and the tags of the paper's envelope but the delta's."""
    notes: list[str] = []
    for thought in ("think", "thinking"):
        text, found = _without_thought(text, thought)
        notes += [f"<{thought}>"] if found else []
    hparams, text = _cut(text, "hp")
    transform, text = _cut(text, "tr")
    notes += ["<hp> tag"] if hparams is not None else []
    notes += ["<tr> tag"] if transform is not None else []
    return Dressed(text, tuple(notes), hparams=hparams)


def undress(dressed: Dressed) -> Dressed:
    """Take off everything round a diff. Nothing inside of it is touched."""
    notes = list(dressed.notes)
    text, tag = _tagged(dressed.text)
    notes += [f"<{tag}> tag"] if tag else []
    text, fenced = _fenced(text)
    notes += ["fence"] if fenced else []
    text, quoted = _unquoted(text)
    notes += ["quote marks"] if quoted else []
    text, indented = _dedented(text)
    notes += ["indented block"] if indented else []
    return replace(dressed, text=text, notes=tuple(notes), enclosed=bool(tag or fenced or quoted))


def is_escaped(text: str) -> bool:
    """Say whether a diff was escaped for HTML as a whole.

    If so, no line has a bare ``<``, ``>`` or ``&``; a diff that mixes both is left to what its
    lines are found to mean.
    """
    num_entities = len(_ENTITY.findall(text))
    lines = [line for line in text.split("\n") if line.startswith(("+", "-", " "))]
    return (
        num_entities > 0
        and sum(line.count("&") for line in lines) <= num_entities
        and not any("<" in line or ">" in line for line in lines)
    )


def _without_thought(text: str, name: str) -> tuple[str, bool]:
    """Return what follows the last thought, and whether there was one.

    A thought that a template opened for the model ends without a beginning in its answer; one
    that the model never ended is all there is after it.
    """
    before, closed, after = text.rpartition(f"</{name}>")
    if not closed:
        before, opened, _ = text.partition(f"<{name}>")
        return before, bool(opened)
    return after if after.strip() else before.partition(f"<{name}>")[0], True


def _cut(text: str, name: str) -> tuple[str | None, str]:
    """Return what the first ``<name>`` tag at the beginning of a line holds, and the rest."""
    opening = re.search(rf"^[ \t]*<{name}>", text, re.MULTILINE)
    end = text.find(f"</{name}>", opening.end()) if opening else -1
    if opening is None or end < 0:
        return None, text
    return text[opening.end() : end], text[: opening.start()] + text[end + len(name) + 3 :]


def _tagged(text: str) -> tuple[str, str]:
    """Return what the tags for a delta hold, and the first tag's name."""
    opening = _TAG_OPEN.search(text)
    if opening is None:
        return text, ""
    name = opening[1].lower()
    bodies: list[str] = []
    at: re.Match[str] | None = opening
    while at is not None:
        closing = re.compile(rf"</{at[1]}>", re.IGNORECASE).search(text, at.end())
        end = closing.start() if closing else len(text)
        bodies.append(text[at.end() : end].strip("\n"))
        at = _TAG_OPEN.search(text, closing.end()) if closing else None
    return "\n".join(bodies), name


@dataclass(frozen=True)
class _Piece:
    """A run of lines inside of a fence, or outside of all."""

    text: str
    tag: str | None = None
    """What the fence is tagged with; None outside."""

    @property
    def has_diff(self) -> bool:
        return _DIFF_LINE.search(self.text) is not None

    @property
    def is_chosen(self) -> bool:
        """Whether this is a part of the change, if any piece is."""
        if self.tag is None:
            return _HUNK_LINE.search(self.text) is not None
        return self.has_diff or self.tag in _DIFF_TAGS


def _fenced(text: str) -> tuple[str, bool]:
    """Return the pieces that are a diff, in order; without any, all that is in no fence."""
    if "```" not in text and "~~~" not in text:
        return text, False
    pieces = _pieces(text)
    blocks = [piece for piece in pieces if piece.tag is not None]
    outside = [piece for piece in pieces if piece.tag is None]
    if not any(map(_has_diff, blocks)) and any(map(_has_diff, outside)):
        chosen = outside
    else:
        chosen = [piece for piece in pieces if piece.is_chosen]
    if not chosen and len(blocks) == 1 and _MARKED.search(blocks[0].text):
        chosen = blocks
    # A fence line between them keeps the lines of one piece out of the last hunk of another.
    texts = dict.fromkeys(piece.text for piece in chosen or outside)
    return "```\n".join(texts), bool(blocks)


def _has_diff(piece: _Piece) -> bool:
    return piece.has_diff


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
    only_closes = opening is not None and any(
        piece.has_diff for piece in pieces if piece.tag is None
    )
    last = _Piece(_joined(lines, opening[1] if opening else ""), opening and opening[3].lower())
    if only_closes and not last.has_diff:
        last = _Piece(last.text)
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


def _unquoted(text: str) -> tuple[str, bool]:
    """Return the quoted lines without their marks, where the change is in a quotation."""
    anchored = any(line.startswith(("@@", "--- ", "+++ ")) for line in text.split("\n"))
    if ">" not in text or anchored or _QUOTED.search(text) is None:
        return text, False
    lines = [line.lstrip() for line in text.split("\n") if line.lstrip().startswith(">")]
    marks = "> " if all(line.startswith("> ") or line.strip() == ">" for line in lines) else ">"
    if sum(line[len(marks) :][:1] in ("+", "-") for line in lines) == 0:
        return text, False
    return "\n".join(
        line.removeprefix(marks) if line.strip() != ">" else "" for line in lines
    ), True


def _dedented(text: str) -> tuple[str, bool]:
    """Return the text without the indentation that the whole diff has."""
    anchors = [match[1] for match in _ANCHOR.finditer(text)]
    if anchors and all(anchors):
        shared = min(anchors, key=len)
    elif not anchors:
        lines = [line for line in text.split("\n") if line.strip()]
        leads = {line[: len(line) - len(line.lstrip())] for line in lines}
        shared = min(leads, key=len, default="")
        marked = any(line[len(shared) :][:1] in ("+", "-") for line in lines)
        shared = shared if marked else ""
    else:
        shared = ""
    if not shared:
        return text, False
    return "\n".join(_strip(line, shared) for line in text.split("\n")), True


def _strip(line: str, shared: str) -> str:
    return line[len(shared) :] if line.startswith(shared) else line.lstrip()
