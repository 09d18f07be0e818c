"""apply: from a parent and an answer to a text, or to a reason that helps.

Pure and total: any two texts in, `Applied` or `Refused` out, within a time that their lengths
bound. Everything that has one meaning is applied; all else is refused.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace

from deltanas_repo_store.records import HParamValue
from deltanas_tools.apply_patch import characters
from deltanas_tools.apply_patch.combine import combine
from deltanas_tools.apply_patch.dressing import (
    Dressed,
    normalised,
    undress,
    unwrap,
    without_entities,
)
from deltanas_tools.apply_patch.edits import Placed
from deltanas_tools.apply_patch.explain import not_found
from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.gates import (
    TEXT_GATES,
    Gates,
    check_names,
    check_placeholders,
    check_run,
    check_syntax,
    parse,
)
from deltanas_tools.apply_patch.hunks import Hunk
from deltanas_tools.apply_patch.hyperparameters import read_hyperparameters
from deltanas_tools.apply_patch.place import (
    is_approximate,
    place,
    place_late,
    place_strictly,
)
from deltanas_tools.apply_patch.reader import read_leniently
from deltanas_tools.apply_patch.result import Applied, Format, Refusal, Refused, shown
from deltanas_tools.apply_patch.search_replace import has_blocks, read_blocks
from deltanas_tools.apply_patch.well_formed import read_well_formed
from deltanas_tools.delta import render_delta

MAX_CHARS = 2_000_000
"""Length of a parent, an answer or a result, beyond which nothing is tried."""
MAX_LINES = 50_000
"""Lines of an answer."""


def apply(
    baseline: str,
    answer: str,
    *,
    gates: Gates = TEXT_GATES,
    hparams: Mapping[str, HParamValue] | None = None,
) -> Applied | Refused:
    """Apply the change in ``answer`` to ``baseline``: all of it or nothing.

    Args:
        baseline: The parent's source.
        answer: What a model or a person wrote: a unified diff or SEARCH/REPLACE blocks, with
            anything round them.
        gates: What the result must be besides.
        hparams: The parent's hyper-parameters, which the answer's ``<hp>`` tag is held against;
            that tag is not read where they are left out.
    """
    format_: Format = "none"
    try:
        _check_size(baseline, answer)
        unwrapped = unwrap(normalised(answer))
        blocks = has_blocks(unwrapped.text)
        format_ = "search/replace" if blocks else "unified diff"
        frame = Frame(baseline)
        solution = _of_blocks(frame, unwrapped) if blocks else _of_diff(frame, answer, unwrapped)
        solution, tree = _checked(baseline, solution, gates)
    except Refusal as refusal:
        refused = refusal.refused
        return replace(refused, format="none" if refused.code == "no-hunk" else format_)
    applied = Applied(
        text=solution.text,
        canonical_diff=render_delta(baseline, solution.text),
        relaxations=tuple(dict.fromkeys(solution.notes)),
        format=format_,
    )
    if unwrapped.hparams is not None and hparams is not None:
        proposed = read_hyperparameters(unwrapped.hparams, hparams)
        applied = replace(applied, hparams=proposed.values, hparams_problems=proposed.problems)
    try:
        check_run(baseline, solution.text, tree, gates)
    except Refusal as refusal:
        return replace(refusal.refused, format=format_, applied=applied)
    return applied


def _check_size(baseline: str, answer: str) -> None:
    for what, text in (("parent", baseline), ("answer", answer)):
        if len(text) > MAX_CHARS:
            raise Refusal(
                "too-large", f"the {what} has {len(text)} characters, more than {MAX_CHARS}"
            )
    if answer.count("\n") > MAX_LINES:
        raise Refusal("too-large", f"the answer has more than {MAX_LINES} lines")


@dataclass(frozen=True)
class _Solution:
    """Hunks at their places, and the text they make."""

    frame: Frame
    hunks: tuple[Hunk, ...]
    placed: tuple[Placed, ...]
    text: str
    notes: tuple[str, ...]
    is_strict: bool = False
    """Whether the diff is right in everything."""
    is_late: bool = False
    """Whether a hunk was placed on the result of the others."""


def _of_blocks(frame: Frame, unwrapped: Dressed) -> _Solution:
    reading = read_blocks(unwrapped.text)
    return _solve(frame, reading.hunks, unwrapped.notes + reading.notes)


def _of_diff(frame: Frame, answer: str, unwrapped: Dressed) -> _Solution:
    if frame.has_mixed_endings and "\r\n" in answer:
        literal = Frame(frame.text, literal_returns=True)
        if (solution := _strict(literal, undress(unwrap(answer)), ())) is not None:
            return solution
    dressed = undress(unwrapped)
    dressed = dressed if frame.has_entities else without_entities(dressed)
    endings = ("line endings",) if frame.ends_in_returns != ("\r\n" in answer) else ()
    if (solution := _strict(frame, dressed, endings)) is not None:
        return solution
    reading = read_leniently(dressed.text, frame, enclosed=dressed.enclosed)
    notes = dressed.notes + endings + reading.notes
    if (placed := place_strictly(frame, reading.hunks)) is not None:
        placed = tuple(replace(each, notes=each.hunk.notes) for each in placed)
        return _solution(frame, reading.hunks, placed, notes)
    return _solve(frame, reading.hunks, notes)


def _strict(frame: Frame, dressed: Dressed, endings: tuple[str, ...]) -> _Solution | None:
    reading = read_well_formed(dressed.text)
    placed = None if reading is None else place_strictly(frame, reading.hunks)
    if reading is None or placed is None:
        return None
    notes = dressed.notes + endings + reading.notes
    return replace(_solution(frame, reading.hunks, placed, notes), is_strict=True)


def _solve(frame: Frame, hunks: tuple[Hunk, ...], notes: tuple[str, ...]) -> _Solution:
    """Place every hunk, one that stands nowhere on the result of the others."""
    placement = place(frame, hunks)
    solution = _solution(frame, hunks, placement.placed, notes)
    for hunk in placement.homeless:
        if not placement.placed:
            raise not_found(frame, hunk)
        result = Frame(solution.text)
        late = place_late(result, hunk, frame)
        after = _solution(result, hunks, (late,), solution.notes)
        solution = replace(solution, text=after.text, notes=after.notes, is_late=True)
    return solution


def _solution(
    frame: Frame, hunks: tuple[Hunk, ...], placed: tuple[Placed, ...], notes: tuple[str, ...]
) -> _Solution:
    _check_is_change(frame, hunks)
    text, needed = combine(frame, placed)
    own = [f"hunk {each.hunk.number}: {note}" for each in placed for note in each.notes]
    return _Solution(frame, hunks, placed, text, (*notes, *own, *needed))


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


def _checked(
    baseline: str, solution: _Solution, gates: Gates
) -> tuple[_Solution, ast.Module | None]:
    """Take the result through the gates about the text; one that is not Python is mended once.

    Returns the syntax tree besides, where the result is known to have one.
    """
    if gates.placeholders:
        check_placeholders(solution.frame, solution.hunks, strict=solution.is_strict)
    if solution.text == baseline:
        raise Refusal("no-op", "the delta changes nothing: it adds what it removes")
    if len(solution.text) > MAX_CHARS:
        raise Refusal("too-large", f"the result has more than {MAX_CHARS} characters")
    if not gates.syntax:
        return solution, None
    tree = parse(solution.text)
    if isinstance(tree, SyntaxError):
        mended = None if solution.is_late else _mended(solution)
        if mended is None:
            check_syntax(baseline, tree)
            return solution, None
        solution, tree = mended
    if is_approximate(solution.placed):
        check_names(baseline, solution.text)
    return solution, tree


def _mended(solution: _Solution) -> tuple[_Solution, ast.Module] | None:
    """Return the result with plain characters in the added lines, if that makes it Python."""
    added = "".join(line.text for hunk in solution.hunks for line in hunk.lines if line.op == "+")
    there = [name for name in characters.CLASSES if characters.replace(added, [name]) != added]
    for classes in [*([name] for name in there), there]:
        text, notes = combine(solution.frame, solution.placed, frozenset(classes))
        tree = parse(text)
        if isinstance(tree, ast.Module):
            return replace(solution, text=text, notes=(*solution.notes, *notes)), tree
    return None
