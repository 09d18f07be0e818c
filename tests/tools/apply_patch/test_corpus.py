"""The corpus: every fault class, applied or refused as the contract has it, never wrong in silence.

Where a case fails, its answer is printed with how the result differs from what was due; the same
cases again: ``python -m tests.tools.apply_patch.report --show FAULT``.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from random import Random

import pytest

from deltanas_tools.apply_patch import Applied, apply
from tests.tools.apply_patch.drafts import Draft, Hunk
from tests.tools.apply_patch.faults import FAULTS, cases, edit
from tests.tools.apply_patch.reference import FOLDS, results
from tests.tools.apply_patch.report import outcomes
from tests.tools.apply_patch.sources import Source, lemur_path, lemur_sources, our_sources

CASES, LEMUR_CASES, SPOILT = 10, 25, 80


@cache
def ours() -> tuple[Source, ...]:
    return our_sources()


@cache
def lemur() -> tuple[Source, ...]:
    path = lemur_path()
    if path is None:
        pytest.skip("DELTANAS_LEMUR does not say where LEMUR is (a wheel or an unpacked folder)")
    return lemur_sources(path)


def check(fault: str, sources: Sequence[Source], count: int, at_least: int) -> None:
    """Fail with every case that is not as it should be."""
    done = outcomes(cases(FAULTS[fault], sources, count))
    wrong = [outcome.describe() for outcome in done if not outcome.is_right]
    assert not wrong, "\n\n".join([f"{len(wrong)} of {len(done)} cases of {fault}", *wrong])
    assert len(done) >= at_least, f"only {len(done)} edits suit {fault}"


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_is_applied_rightly_or_refused(fault: str) -> None:
    check(fault, ours(), CASES, at_least=CASES // 2)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_to_a_network_of_lemur_is_applied_rightly_or_refused(fault: str) -> None:
    check(fault, lemur(), LEMUR_CASES, at_least=1)


@pytest.mark.parametrize("fault", [name for name, fault in FAULTS.items() if fault.due == "apply"])
def test_the_canonical_diff_is_right_in_everything_and_makes_the_same_text(fault: str) -> None:
    for outcome in outcomes(cases(FAULTS[fault], ours(), 1)):
        if isinstance(outcome.result, Applied):
            again = apply(outcome.case.baseline, outcome.result.canonical_diff)
            assert isinstance(again, Applied), outcome.describe()
            assert (again.text, again.relaxations) == (outcome.result.text, ())


SPOIL: dict[str, Callable[[str, list[str], Random], list[str]]] = {
    "lost": lambda line, below, rng: below,
    "doubled": lambda line, below, rng: [line, line, *below],
    "cut short": lambda line, below, rng: [line[: rng.randrange(2, len(line) + 1)], *below],
    "moved right": lambda line, below, rng: [f"{line[0]}    {line[1:]}", *below],
    "moved left": lambda line, below, rng: [line[0] + line[1:].removeprefix("    "), *below],
    "swapped with the next": lambda line, below, rng: [*below, line],
    "given another marker": lambda line, below, rng: [rng.choice("+- ") + line[1:], *below],
}


def spoilt(draft: Draft, how: str, rng: Random) -> list[list[str]]:
    """The bodies of the hunks with one line spoilt that is not beside a blank one."""
    bodies = [[*hunk.lines] for hunk in draft.hunks]
    body = rng.choice(bodies)
    solid = [n for n in range(len(body)) if all(x[1:].strip() for x in body[max(0, n - 1) : n + 2])]
    if not solid:
        return bodies
    at = rng.choice(solid)
    below = [other for other in body[at + 1 : at + 2] if other[1:].strip()]
    body[at : at + 1 + len(below)] = SPOIL[how](body[at], below, rng)
    return bodies


def removed_less(draft: Draft, hunk: Hunk) -> Iterator[str]:
    """The texts where one removed line stays: what is meant where its line is lost."""
    for at, line in enumerate(hunk.lines):
        if line[:1] == "-":
            body = [*hunk.lines[:at], f" {line[1:]}", *hunk.lines[at + 1 :]]
            yield from results(draft.baseline, [body, *(x.lines for x in draft.hunks if x != hunk)])


@pytest.mark.parametrize("how", SPOIL)
def test_one_spoilt_line_never_gives_a_third_text(how: str) -> None:
    for number in range(SPOILT):
        draft = edit(ours(), 0, number)
        if draft is None:
            continue
        bodies = spoilt(draft, how, Random(number))
        answer = "".join(f"{line}\n" for body in bodies for line in ["@@", *body])
        literal = [results(draft.baseline, bodies, fold) for fold in FOLDS]
        kept = {text for hunk in draft.hunks for text in removed_less(draft, hunk)}
        result = apply(draft.baseline, answer)
        if isinstance(result, Applied):
            assert result.text in {draft.edited, *kept}.union(*literal), answer
            assert len(literal[0]) < 2, f"two texts are meant by\n{answer}"
