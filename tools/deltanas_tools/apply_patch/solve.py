"""From an answer to a solution: what it says, read one way or another, and put in its place.

A strict reader goes first, on the answer as it is: whatever the diff of two texts holds, it turns
the one into the other. The one thing done before is to undo an escape for HTML, which shows only
in added lines if the change is small.
"""

from dataclasses import dataclass, replace

from deltanas_tools.apply_patch import characters
from deltanas_tools.apply_patch.combine import combine
from deltanas_tools.apply_patch.dressing import (
    Dressed,
    is_escaped,
    normalised,
    undress,
    unwrap,
)
from deltanas_tools.apply_patch.edits import Placed
from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.hunks import Hunk
from deltanas_tools.apply_patch.place import place, place_late, place_strictly
from deltanas_tools.apply_patch.reader import read_leniently
from deltanas_tools.apply_patch.result import Format, Refusal, shown
from deltanas_tools.apply_patch.search_replace import has_blocks, read_blocks
from deltanas_tools.apply_patch.well_formed import read_well_formed


@dataclass(frozen=True)
class Question:
    """An answer that is to be understood, and the parent that it is about."""

    frame: Frame
    answer: str
    """The answer as it was written."""
    text: str
    r"""The answer with lines that end in ``\n``."""
    unwrapped: Dressed
    format: Format
    notes: tuple[str, ...]
    """What had to be forgiven so far."""

    @classmethod
    def of(cls, baseline: str, answer: str) -> "Question":
        """Look at an answer without reading it yet."""
        frame, text = Frame(baseline), normalised(answer)
        notes: tuple[str, ...] = ()
        if not frame.has_entities and is_escaped(text):
            answer, text = characters.unescaped(answer), characters.unescaped(text)
            notes = ("HTML entities",)
        unwrapped = unwrap(text)
        format_: Format = "search/replace" if has_blocks(unwrapped.text) else "unified diff"
        return cls(frame, answer, text, unwrapped, format_, notes)

    @property
    def endings(self) -> tuple[str, ...]:
        """A note where the answer's lines end otherwise than the parent's."""
        differ = self.frame.ends_in_returns != ("\r\n" in self.answer)
        return ("line endings",) if differ else ()


@dataclass(frozen=True)
class Solution:
    """Hunks at their places, and the text they make."""

    frame: Frame
    hunks: tuple[Hunk, ...]
    placed: tuple[Placed, ...]
    text: str
    notes: tuple[str, ...]
    format: Format = "unified diff"
    is_strict: bool = False
    """Whether the diff is right in everything."""
    is_late: bool = False
    """Whether a hunk was placed on the result of the others."""

    @property
    def added(self) -> str:
        """All added lines."""
        return self._lines("+")

    @property
    def removed(self) -> str:
        """All removed lines."""
        return self._lines("-")

    def _lines(self, op: str) -> str:
        lines = (line for hunk in self.hunks for line in hunk.lines)
        return "\n".join(line.text for line in lines if line.op == op)


def solve(question: Question) -> Solution:
    """Read the answer and place its hunks.

    Raises:
        Refusal: it has no meaning, or more than one.
    """
    frame = question.frame
    if frame.has_mixed_endings and "\r\n" in question.answer:
        literal = Frame(frame.text, literal_returns=True)
        if (solution := _strict(literal, question.answer, question.notes)) is not None:
            return solution
    notes = question.notes + question.endings
    if (solution := _strict(frame, question.text, notes)) is not None:
        return solution
    if question.format == "search/replace":
        reading = read_blocks(question.unwrapped.text, frame)
        notes += question.unwrapped.notes + reading.notes
        solution = _solve(frame, reading.hunks, notes)
        return replace(solution, format="search/replace")
    return _of_diff(frame, question.unwrapped, notes)


def _of_diff(frame: Frame, unwrapped: Dressed, notes: tuple[str, ...]) -> Solution:
    dressed = undress(unwrapped, frame.has)
    notes += dressed.notes
    if (solution := _strict(frame, dressed.text, notes)) is not None:
        return solution
    reading = read_leniently(dressed.text, frame, enclosed=dressed.enclosed)
    notes += reading.notes
    if (placed := place_strictly(frame, reading.hunks)) is not None:
        placed = tuple(replace(each, notes=each.hunk.notes) for each in placed)
        return _solution(frame, reading.hunks, placed, notes)
    return _solve(frame, reading.hunks, notes)


def _strict(frame: Frame, text: str, notes: tuple[str, ...]) -> Solution | None:
    reading = read_well_formed(text)
    placed = None if reading is None else place_strictly(frame, reading.hunks)
    if reading is None or placed is None:
        return None
    solution = _solution(frame, reading.hunks, placed, notes + reading.notes)
    return replace(solution, is_strict=True)


def _solve(frame: Frame, hunks: tuple[Hunk, ...], notes: tuple[str, ...]) -> Solution:
    """Place every hunk, one that stands nowhere on the result of the others."""
    placed, late = place(frame, hunks)
    starts = [each.site.start for each in placed]
    notes += ("order of the hunks",) if starts != sorted(starts) else ()
    solution = _solution(frame, hunks, tuple(placed), notes)
    for hunk in late:
        result = Frame(solution.text)
        after = _solution(result, hunks, (place_late(result, hunk),), solution.notes)
        solution = replace(solution, text=after.text, notes=after.notes, is_late=True)
    return solution


def _solution(
    frame: Frame, hunks: tuple[Hunk, ...], placed: tuple[Placed, ...], notes: tuple[str, ...]
) -> Solution:
    _check_is_change(frame, hunks)
    text, needed = combine(frame, placed)
    own = [f"hunk {each.hunk.number}: {note}" for each in placed for note in each.notes]
    return Solution(frame, hunks, placed, text, (*notes, *own, *needed))


def _check_is_change(frame: Frame, hunks: tuple[Hunk, ...]) -> None:
    if not any(hunk.changes for hunk in hunks):
        raise Refusal("no-op", "the delta changes nothing: no line is added or removed")
    first = hunks[0]
    if first.old or first.start != 0 or not frame.lines:
        return
    top_level = {line for line in frame.lines if line.startswith(("class ", "def "))}
    again = next((line.text for line in first.lines if line.text in top_level), None)
    if again is not None:
        raise Refusal(
            "new-file",
            f"the diff writes the file anew: it adds {shown(again)}, which the parent has; change "
            "the parent's lines instead",
            hunk=first.number,
            line=again,
        )
