"""apply: from a parent and an answer to a text, or to a reason that helps.

Pure and total: any two texts in, `Applied` or `Refused` out, within a time that their lengths
bound. Everything that has one meaning is applied; all else is refused.
"""

import ast
from collections.abc import Mapping
from dataclasses import replace

from deltanas_repo_store.delta import render_delta
from deltanas_repo_store.records import HParamValue
from deltanas_tools.apply_patch import characters
from deltanas_tools.apply_patch.combine import combine
from deltanas_tools.apply_patch.gates import (
    TEXT_GATES,
    Gates,
    check_names,
    check_placeholders,
    check_run,
    check_syntax,
    parsed,
)
from deltanas_tools.apply_patch.hyperparameters import read_hyperparameters
from deltanas_tools.apply_patch.place import is_approximate
from deltanas_tools.apply_patch.result import Applied, Refusal, Refused
from deltanas_tools.apply_patch.solve import Question, Solution, solve

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
    try:
        _check_size(baseline, answer)
    except Refusal as refusal:
        return refusal.refused
    question = Question.of(baseline, answer)
    try:
        solution, tree = _checked(baseline, solve(question), gates)
    except Refusal as refusal:
        refused = refusal.refused
        return replace(refused, format="none" if refused.code == "no-hunk" else question.format)
    applied = Applied(
        text=solution.text,
        canonical_diff=render_delta(baseline, solution.text),
        relaxations=tuple(dict.fromkeys(solution.notes)),
        format=solution.format,
    )
    if question.unwrapped.hparams is not None and hparams is not None:
        proposed = read_hyperparameters(question.unwrapped.hparams, hparams)
        applied = replace(applied, hparams=proposed.values, hparams_problems=proposed.problems)
    try:
        check_run(baseline, solution.text, tree, gates)
    except Refusal as refusal:
        return replace(refusal.refused, format=solution.format, applied=applied)
    return applied


def _check_size(baseline: str, answer: str) -> None:
    for what, text in (("parent", baseline), ("answer", answer)):
        if len(text) > MAX_CHARS:
            raise Refusal(
                "too-large", f"the {what} has {len(text)} characters, more than {MAX_CHARS}"
            )
    if answer.count("\n") > MAX_LINES:
        raise Refusal("too-large", f"the answer has more than {MAX_LINES} lines")


def _checked(baseline: str, solution: Solution, gates: Gates) -> tuple[Solution, ast.Module | None]:
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
    tree = parsed(solution.text)
    if isinstance(tree, SyntaxError):
        mended = None if solution.is_late else _mended(solution)
        if mended is None:
            check_syntax(baseline, tree)
            return solution, None
        solution, tree = mended
    if is_approximate(solution.placed):
        check_names(baseline, solution.text, removed=solution.removed)
    return solution, tree


def _mended(solution: Solution) -> tuple[Solution, ast.Module] | None:
    """Return the result with plain characters in the added lines, if that makes it Python."""
    added = solution.added
    there = [name for name in characters.CLASSES if characters.replace(added, [name]) != added]
    for classes in [*([name] for name in there), there]:
        text, notes = combine(solution.frame, solution.placed, frozenset(classes))
        tree = parsed(text)
        if isinstance(tree, ast.Module):
            return replace(solution, text=text, notes=(*solution.notes, *notes)), tree
    return None
