"""The parent's text as lines, and what must survive an edit: endings, final newline, mark."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from deltanas_tools.apply_patch import characters

BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True)
class Edit:
    """Replace the parent's lines ``start`` to ``end`` (from 0, end not included)."""

    start: int
    end: int
    lines: tuple[str, ...]
    hunk: int


class Frame:
    r"""A text as lines without their endings. Lines end at ``\n`` or ``\r\n`` and nowhere else.

    With ``literal_returns``, they end at ``\n`` only, and a ``\r`` is a character of its line.
    """

    def __init__(self, text: str, *, literal_returns: bool = False) -> None:
        self.text = text
        self._mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
        raw = text.removeprefix(BYTE_ORDER_MARK).split("\n")
        self.final_newline = raw[-1] == ""
        ended = raw[:-1]
        num_returns = 0 if literal_returns else sum(line.endswith("\r") for line in ended)
        self.has_mixed_endings = 0 < num_returns < len(ended)
        self._ending = "\r\n" if num_returns * 2 > len(ended) else "\n"
        self.lines, self._endings = ended, ["\n"] * len(ended)
        if num_returns:
            self.lines = [line.removesuffix("\r") for line in ended]
            self._endings = ["\r\n" if line.endswith("\r") else "\n" for line in ended]
        if not self.final_newline:
            # Its line's ending is known only when another line follows.
            self.lines = [*self.lines, raw[-1]]
            self._endings.append(self._ending)

    @property
    def ends_in_returns(self) -> bool:
        r"""Whether most lines end in ``\r\n``."""
        return self._ending == "\r\n"

    @cached_property
    def has_entities(self) -> bool:
        """Whether the text itself has what looks like HTML entities."""
        return "&" in self.text and characters.replace(self.text, ["entities"]) != self.text

    @cached_property
    def plain(self) -> characters.Fold:
        """The function that folds typographic characters."""
        return characters.folding(entities=not self.has_entities)

    def loose(self, line: str) -> str:
        """Return a line without white space, in plain characters."""
        return "".join(self.plain(line).split())

    @cached_property
    def _loose_lines(self) -> frozenset[str]:
        return frozenset(map(self.loose, self.lines))

    def has(self, line: str) -> bool:
        """Say whether the text has this line, white space and typographic characters apart."""
        return self.loose(line) in self._loose_lines

    def edited(self, edits: Sequence[Edit], *, final_newline: bool) -> str:
        """Return the text with ``edits``, which are in order and do not overlap.

        Added lines end as most lines of the text do.
        """
        pieces: list[tuple[str, str]] = []
        done = 0
        for edit in edits:
            pieces += self._ended(done, edit.start)
            pieces += [(line, self._ending) for line in edit.lines]
            done = edit.end
        pieces += self._ended(done, len(self.lines))
        if pieces and not final_newline:
            pieces[-1] = (pieces[-1][0], "")
        return self._mark + "".join(text + ending for text, ending in pieces)

    def _ended(self, start: int, end: int) -> list[tuple[str, str]]:
        return list(zip(self.lines[start:end], self._endings[start:end], strict=True))
