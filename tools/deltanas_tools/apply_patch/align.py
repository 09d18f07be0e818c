"""The last level: context that differs a little, in one place that is clearly the best.

Hunk and text are aligned without their blank lines: the whole hunk to any part of the text, as in
semi-global sequence alignment. Removed lines must be there; only context may differ.
"""

import difflib
import itertools
import math
import re
from collections import Counter
from dataclasses import dataclass

from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.hunks import Hunk
from deltanas_tools.apply_patch.locate import APPROXIMATE, Locator, Site

# The thresholds are flat: moved by a quarter either way, they change a case in a hundred. What
# keeps misplacements out are the rules without a number.
SIMILAR = 0.6
"""`difflib` ratio from which a line of context may stand for another one."""
SIMILAR_BESIDE_CHANGE = 0.75
"""The same for a line next to a change."""
SKIP = -0.4
"""Score of a comment that the text lacks, and of a line of the text that the hunk lacks."""
MIN_LINES, MIN_EXACT, MIN_EXACT_SHARE, MIN_SCORE_SHARE = 4, 3, 0.6, 0.7
MIN_MARGIN, MIN_MARGIN_SHARE = 1.0, 0.15

_MAX_LINE = 200
_NEVER = -math.inf
_NAMES = re.compile(r"([\w.]+(?:\s*,\s*[\w.]+)*)\s*(?::[^=]*)?=(?!=)|(?:def|class)\s+(\w+)")


@dataclass(frozen=True)
class _Row:
    """A line of the hunk that is not blank and not added."""

    index: int
    text: str
    loose: str
    removed: bool
    beside_change: bool

    @property
    def is_at_change(self) -> bool:
        return self.removed or self.beside_change

    def may_be_missing(self, *, loose: bool) -> bool:
        if loose:
            return not self.removed
        return not self.is_at_change and self.text.startswith("#")


class _TooMuch(Exception):
    """The text repeats itself so much that comparing would take long."""


@dataclass
class Effort:
    """What the alignments of one answer may cost in all."""

    cells: int = 200_000
    """Pairs of a hunk's line and a line of the text."""
    characters: int = 4_000_000
    """Pairs of characters in lines that are compared."""

    def spend(self, *, cells: int = 0, characters: int = 0) -> None:
        """Take from what is left.

        Raises:
            _TooMuch: nothing is left.
        """
        self.cells -= cells
        self.characters -= characters
        if self.cells < 0 or self.characters < 0:
            raise _TooMuch


def align(frame: Frame, locator: Locator, hunk: Hunk, effort: Effort) -> Site | None:
    """Return the one place where most of the hunk stands, or None where none is clearly best."""
    rows = _rows(frame, hunk)
    if len(rows) < MIN_LINES:
        return None
    try:
        return _Aligner(frame, rows, effort).best_site(hunk, locator)
    except _TooMuch:
        return None


def _rows(frame: Frame, hunk: Hunk) -> list[_Row]:
    old = [(at, line) for at, line in enumerate(hunk.lines) if line.op == "+" or not line.is_blank]
    beside: set[int] = set()
    for (left, before), (right, after) in itertools.pairwise(old):
        if (before.op == " ") != (after.op == " "):
            beside |= {left, right}
    rows: list[_Row] = []
    index = 0
    for at, line in enumerate(hunk.lines):
        if line.op == "+":
            continue
        if not line.is_blank:
            plain = frame.plain(line.text).strip()
            loose = "".join(plain.split())
            rows.append(_Row(index, plain, loose, line.op == "-", at in beside))
        index += 1
    return rows


class _Aligner:
    def __init__(self, frame: Frame, rows: list[_Row], effort: Effort) -> None:
        self._rows = rows
        self._effort = effort
        effort.spend(cells=len(frame.lines))
        plain = [(at, frame.plain(line).strip()) for at, line in enumerate(frame.lines)]
        solid = [(at, line) for at, line in plain if line]
        self._numbers = [at for at, _ in solid]
        self._texts = [line for _, line in solid]
        self._loose = ["".join(line.split()) for line in self._texts]
        self._ratios: dict[tuple[str, str], float] = {}

    def best_site(self, hunk: Hunk, locator: Locator) -> Site | None:
        windows = self._windows()
        best = max((self._align(*window) for window in windows), default=None)
        if best is None or not self._is_good(best) or not self._is_told_apart(best[1]):
            return None
        beside = frozenset(pair for pair in best[1] if self._rows[pair[0]].is_at_change)
        # A place that comes near is another place, even if it is not near enough to be taken.
        others = (self._align(*window, beside, loose=True)[0] for window in windows)
        margin = max(MIN_MARGIN, MIN_MARGIN_SHARE * len(self._rows))
        if max(others, default=_NEVER) > best[0] - margin:
            return None
        matched = {self._rows[row].index: self._numbers[at] for row, at in best[1]}
        return Site(locator.with_blanks(hunk, matched), APPROXIMATE)

    def _is_good(self, alignment: tuple[float, tuple[tuple[int, int], ...]]) -> bool:
        score, pairs = alignment
        num_rows = len(self._rows)
        exact = sum(self._rows[row].loose == self._loose[at] for row, at in pairs)
        return (
            exact >= max(MIN_EXACT, MIN_EXACT_SHARE * num_rows)
            and score >= MIN_SCORE_SHARE * num_rows
        )

    def _is_told_apart(self, pairs: tuple[tuple[int, int], ...]) -> bool:
        """Say whether each part of the hunk that changes something has one place of its own.

        Parts are told by lines of the text that the hunk leaves out between them. How many there
        are would decide between the places of a part that repeats, and nearness never does.
        """
        parts: list[list[tuple[int, int]]] = []
        for pair in pairs:
            if not parts or pair[1] != parts[-1][-1][1] + 1:
                parts.append([])
            parts[-1].append(pair)
        return len(parts) == 1 or all(
            self._num_places([self._rows[number] for number, _ in part]) == 1
            for part in parts
            if any(self._rows[number].is_at_change for number, _ in part)
        )

    def _num_places(self, rows: list[_Row]) -> int:
        last = len(self._texts) - len(rows)
        self._effort.spend(cells=max(last, 0))
        return sum(
            all(self._gain(row, at + offset) > _NEVER for offset, row in enumerate(rows))
            for at in range(last + 1)
        )

    def _windows(self) -> list[tuple[int, int]]:
        """Return the ranges of diagonals (line of the text minus row) that are worth a look."""
        where: dict[str, list[int]] = {}
        for at, loose in enumerate(self._loose):
            where.setdefault(loose, []).append(at)
        self._effort.spend(cells=sum(len(where.get(row.loose, ())) for row in self._rows))
        votes = Counter(
            at - number for number, row in enumerate(self._rows) for at in where.get(row.loose, ())
        )
        num_rows = len(self._rows)
        reach = min(8, max(2, math.ceil(0.75 * num_rows)))
        enough = max(2, 0.3 * num_rows)
        chosen = [
            diagonal
            for diagonal in sorted(votes)
            if sum(votes[diagonal + step] for step in range(-reach, reach + 1)) >= enough
        ]
        windows: list[tuple[int, int]] = []
        for diagonal in chosen:
            low, high = diagonal - reach, diagonal + reach + 1
            if windows and low <= windows[-1][1]:
                low = windows.pop()[0]
            windows.append((low, high))
        return windows

    def _align(
        self,
        low: int,
        high: int,
        avoided: frozenset[tuple[int, int]] = frozenset(),
        *,
        loose: bool = False,
    ) -> tuple[float, tuple[tuple[int, int], ...]]:
        """Return the best score within the window of diagonals, and the lines it matches.

        Args:
            low: The first diagonal.
            high: The diagonal after the last.
            avoided: Pairs of a row and a line of the text that do not count.
            loose: Whether any line of context may be missing, and be called otherwise.
        """
        self._effort.spend(cells=(high - low) * len(self._rows))
        width = high - low
        scores = [0.0] * width
        steps: list[list[str]] = []
        for number, row in enumerate(self._rows):
            row_scores, row_steps = [_NEVER] * width, [""] * width
            for column in range(width):
                at = number + low + column
                gain = _NEVER if (number, at) in avoided else self._gain(row, at, loose=loose)
                choices = [(scores[column] + gain, "match")]
                if row.may_be_missing(loose=loose) and column + 1 < width:
                    choices.append((scores[column + 1] + SKIP, "missing"))
                if column > 0:
                    choices.append((row_scores[column - 1] + SKIP, "skipped"))
                row_scores[column], row_steps[column] = max(choices)
            scores = row_scores
            steps.append(row_steps)
        end = max(range(width), key=lambda column: scores[column])
        return scores[end], self._trace(steps, end, low) if scores[end] > _NEVER else ()

    def _trace(self, steps: list[list[str]], column: int, low: int) -> tuple[tuple[int, int], ...]:
        pairs: list[tuple[int, int]] = []
        number = len(steps) - 1
        while number >= 0:
            match steps[number][column]:
                case "match":
                    pairs.append((number, number + low + column))
                    number -= 1
                case "missing":
                    number, column = number - 1, column + 1
                case _:
                    column -= 1
        return tuple(reversed(pairs))

    def _gain(self, row: _Row, at: int, *, loose: bool = False) -> float:
        if not 0 <= at < len(self._texts):
            return _NEVER
        if row.loose == self._loose[at]:
            return 1.0
        if row.removed:
            return _NEVER
        is_beside = row.beside_change and not loose
        threshold = SIMILAR_BESIDE_CHANGE if is_beside else SIMILAR
        ratio = self._similarity(row.text, self._texts[at])
        if ratio < threshold or not (loose or _bind_the_same(row.text, self._texts[at])):
            return _NEVER
        return ratio

    def _similarity(self, one: str, other: str) -> float:
        """Return the `difflib` ratio of two lines; 0 where it is surely below what matters."""
        one, other = one[:_MAX_LINE], other[:_MAX_LINE]
        if 2 * min(len(one), len(other)) < SIMILAR * (len(one) + len(other)):
            return 0.0
        if (one, other) not in self._ratios:
            self._effort.spend(characters=len(one) * len(other))
            matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
            is_near = matcher.quick_ratio() >= SIMILAR
            self._ratios[one, other] = matcher.ratio() if is_near else 0.0
        return self._ratios[one, other]


def _bind_the_same(one: str, other: str) -> bool:
    """Say whether two lines bind the same names: else they are two lines, however similar."""
    mine, theirs = _NAMES.match(one), _NAMES.match(other)
    return mine is None or theirs is None or mine.groups() == theirs.groups()
