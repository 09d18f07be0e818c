"""The last level: context that differs a little, in one place that is clearly the best.

Hunk and text are aligned without their blank lines: the whole hunk to any part of the text, as in
semi-global sequence alignment. Removed lines must be there; only context may differ.
"""

import difflib
import itertools
import math
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

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

_MAX_CELLS = 100_000
_MAX_COMPARED = 4_000
_MAX_LINE = 300
_NEVER = -math.inf


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


class _TooMuch(Exception):
    """The text repeats itself so much that comparing would take long."""


def align(frame: Frame, locator: Locator, hunk: Hunk) -> Site | None:
    """Return the one place where most of the hunk stands, or None where none is clearly best."""
    rows = _rows(frame, hunk)
    if len(rows) < MIN_LINES:
        return None
    try:
        return _Aligner(frame, rows).best_site(hunk, locator)
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
    def __init__(self, frame: Frame, rows: list[_Row]) -> None:
        self._rows = rows
        plain = [(at, frame.plain(line).strip()) for at, line in enumerate(frame.lines)]
        solid = [(at, line) for at, line in plain if line]
        self._numbers = [at for at, _ in solid]
        self._texts = [line for _, line in solid]
        self._loose = ["".join(line.split()) for line in self._texts]
        self._similar = lru_cache(maxsize=None)(_similarity)
        self._cells = 0
        self._strict = True

    def best_site(self, hunk: Hunk, locator: Locator) -> Site | None:
        windows = self._windows()
        best = max((self._align(*window, frozenset()) for window in windows), default=None)
        if best is None or not self._is_good(best) or not self._is_told_apart(best[1]):
            return None
        beside = frozenset(pair for pair in best[1] if self._rows[pair[0]].is_at_change)
        # A place that comes near is another place, even if it is not near enough to be taken.
        self._strict = False
        others = (self._align(*window, beside)[0] for window in windows)
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
        return sum(
            all(self._gain(row, at + offset, False) > _NEVER for offset, row in enumerate(rows))
            for at in range(last + 1)
        )

    def _windows(self) -> list[tuple[int, int]]:
        """Return the ranges of diagonals (line of the text minus row) that are worth a look."""
        where: dict[str, list[int]] = {}
        for at, loose in enumerate(self._loose):
            where.setdefault(loose, []).append(at)
        if sum(len(where.get(row.loose, ())) for row in self._rows) > _MAX_CELLS:
            raise _TooMuch
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
        self, low: int, high: int, avoided: frozenset[tuple[int, int]]
    ) -> tuple[float, tuple[tuple[int, int], ...]]:
        """Return the best score within the window of diagonals, and the lines it matches."""
        self._cells += (high - low) * len(self._rows)
        if self._cells > _MAX_CELLS:
            raise _TooMuch
        width = high - low
        scores = [0.0] * width
        steps: list[list[str]] = []
        for number, row in enumerate(self._rows):
            row_scores, row_steps = [_NEVER] * width, [""] * width
            for column in range(width):
                at = number + low + column
                match = scores[column] + self._gain(row, at, (number, at) in avoided)
                choices = [(match, "match")]
                if self._may_be_missing(row) and column + 1 < width:
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

    def _gain(self, row: _Row, at: int, avoided: bool) -> float:
        if avoided or not 0 <= at < len(self._texts):
            return _NEVER
        if row.loose == self._loose[at]:
            return 1.0
        if row.removed:
            return _NEVER
        beside = row.beside_change and self._strict
        threshold = SIMILAR_BESIDE_CHANGE if beside else SIMILAR
        ratio = self._similar(row.text, self._texts[at], threshold)
        if self._similar.cache_info().misses > _MAX_COMPARED:
            raise _TooMuch
        return ratio if ratio >= threshold else _NEVER

    def _may_be_missing(self, row: _Row) -> bool:
        if not self._strict:
            return not row.removed
        return not row.is_at_change and row.text.startswith("#")


def _similarity(one: str, other: str, threshold: float) -> float:
    """Return the `difflib` ratio of two lines; 0 where it is surely below the threshold."""
    one, other = one[:_MAX_LINE], other[:_MAX_LINE]
    if 2 * min(len(one), len(other)) < threshold * (len(one) + len(other)):
        return 0.0
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= threshold else 0.0
