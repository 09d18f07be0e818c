"""Finds where a hunk's old lines stand, to the letter or with less and less of it.

Each level folds strictly more than the one before, and the first with a site decides: all of
its sites are returned, for somebody else to choose or refuse. Lines are turned into letters, so
that a search for a run of lines is a search in a string.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.hunks import Hunk, HunkLine

EXACT, TRAILING_SPACE, LOST_MARKER, CHARACTERS, LEADING_SPACE, SPACING, BLANK_LINES, APPROXIMATE = (
    range(8)
)
LEVEL_NAMES = (
    "exact",
    "trailing space",
    "lost markers",
    "characters",
    "leading space",
    "spacing",
    "blank lines",
    "approximate context",
)

MAX_SITES = 64
"""Sites that are told apart: a hunk with more is ambiguous anyhow."""

_TAB_WIDTHS = (4, 8)
_FIRST_LETTER = 0x100


@dataclass(frozen=True)
class Site:
    """A place of a hunk in the text."""

    lines: tuple[int | None, ...]
    """For each old line of the hunk, the line (from 0) that it is; None where it is none."""
    level: int
    insertion: int | None = None
    """The line before which a hunk without old lines inserts its own."""

    @property
    def start(self) -> int:
        """The first line that the hunk matches."""
        return min(self._matched, default=self.insertion or 0)

    @property
    def end(self) -> int:
        """The line after the last one that it matches."""
        return max(self._matched, default=(self.insertion or 0) - 1) + 1

    @property
    def _matched(self) -> Iterator[int]:
        return (line for line in self.lines if line is not None)


Fold = Callable[[str], str]


class _Letters:
    """The lines of a text as letters of a string: equal lines, equal letters."""

    def __init__(self, lines: Sequence[str], fold: Fold, *, skip_blank: bool = False) -> None:
        self._fold = fold
        self._codes: dict[str, str] = {}
        self.numbers: list[int] = []
        letters: list[str] = []
        for number, line in enumerate(lines):
            folded = fold(line)
            if skip_blank and not folded:
                continue
            code = self._codes.get(folded)
            if code is None:
                code = self._codes[folded] = chr(_FIRST_LETTER + len(self._codes))
            letters.append(code)
            self.numbers.append(number)
        self.text = "".join(letters)

    def word(self, lines: Sequence[HunkLine], *, unmarked: bool, prefer: int) -> str | None:
        """Return the lines as letters; None where one of them is nowhere in the text.

        Args:
            lines: Old lines of a hunk.
            unmarked: Whether a line may be read with its marker as a part of it.
            prefer: Which of the two readings is taken where both are in the text.
        """
        letters: list[str] = []
        for line in lines:
            readings = line.readings if unmarked else line.readings[:1]
            if prefer:
                readings = readings[::-1]
            code = next(
                (code for each in readings if (code := self._codes.get(self._fold(each)))), None
            )
            if code is None:
                return None
            letters.append(code)
        return "".join(letters)

    def find(self, word: str) -> Iterator[int]:
        """Yield where the word stands, at most `MAX_SITES` + 1 times."""
        at = self.text.find(word)
        for _ in range(MAX_SITES + 1):
            if at < 0:
                return
            yield at
            at = self.text.find(word, at + 1)


class Locator:
    """Finds hunks in one text."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._letters: dict[tuple[int, int], _Letters] = {}

    def sites(self, hunk: Hunk, *, max_level: int = BLANK_LINES) -> list[Site]:
        """Return all sites of the first level that has any; none of a hunk without old lines."""
        for level in range(max_level + 1 if hunk.old else 0):
            found = self._sites(hunk, level)
            if found:
                return found
        return []

    def stands(self, lines: Sequence[HunkLine]) -> int | None:
        """Return where the lines stand, trailing space apart; None where they do not."""
        for level in (EXACT, TRAILING_SPACE):
            letters = self._letters_of(level, _TAB_WIDTHS[0])
            word = letters.word(lines, unmarked=False, prefer=0)
            if word and (at := letters.text.find(word)) >= 0:
                return at
        return None

    def _sites(self, hunk: Hunk, level: int) -> list[Site]:
        found: dict[tuple[int | None, ...], Site] = {}
        widths = _TAB_WIDTHS if level == CHARACTERS and self._has_tabs(hunk) else _TAB_WIDTHS[:1]
        for width in widths:
            letters = self._letters_of(level, width)
            for prefer in (0, 1) if LOST_MARKER <= level <= CHARACTERS else (0,):
                for lines in self._matches(hunk, letters, level, prefer):
                    found.setdefault(lines, Site(lines, level))
        return list(found.values())

    def _matches(
        self, hunk: Hunk, letters: _Letters, level: int, prefer: int
    ) -> Iterator[tuple[int | None, ...]]:
        unmarked = level >= LOST_MARKER
        if level < BLANK_LINES:
            word = letters.word(hunk.old, unmarked=unmarked, prefer=prefer)
            for at in letters.find(word) if word else ():
                yield tuple(range(at, at + len(hunk.old)))
            return
        solid = [at for at, line in enumerate(hunk.old) if not line.is_blank]
        word = letters.word([hunk.old[at] for at in solid], unmarked=unmarked, prefer=prefer)
        for at in letters.find(word) if word else ():
            numbers = letters.numbers[at : at + len(solid)]
            yield self.with_blanks(hunk, dict(zip(solid, numbers, strict=True)))

    def with_blanks(self, hunk: Hunk, matched: dict[int, int]) -> tuple[int | None, ...]:
        """Complete a match of a hunk's other lines by its blank ones, where the text has them."""
        lines: list[int | None] = [matched.get(at) for at in range(len(hunk.old))]
        texts = self._frame.lines
        first = next((at for at, line in enumerate(lines) if line is not None), 0)
        for at in range(first + 1, len(lines)):
            before = lines[at - 1]
            if lines[at] is None and hunk.old[at].is_blank and before is not None:
                follows = before + 1
                if follows < len(texts) and not texts[follows].strip():
                    lines[at] = follows
        for at in range(first - 1, -1, -1):
            after = lines[at + 1]
            if hunk.old[at].is_blank and after and not texts[after - 1].strip():
                lines[at] = after - 1
        return tuple(lines)

    def _has_tabs(self, hunk: Hunk) -> bool:
        return self._tabs or any("\t" in line.text for line in hunk.old)

    @cached_property
    def _tabs(self) -> bool:
        return "\t" in self._frame.text

    def _letters_of(self, level: int, width: int) -> _Letters:
        key = (level, width)
        if key not in self._letters:
            fold = _fold(self._frame, level, width)
            self._letters[key] = _Letters(self._frame.lines, fold, skip_blank=level >= BLANK_LINES)
        return self._letters[key]


def _fold(frame: Frame, level: int, width: int) -> Fold:
    plain = frame.plain
    match level:
        case 0:
            return str
        case 1 | 2:
            return str.rstrip
        case 3:
            return lambda line: plain(line).expandtabs(width).rstrip()
        case 4:
            return lambda line: plain(line).strip()
        case _:
            return lambda line: "".join(plain(line).split())
