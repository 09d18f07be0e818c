"""The corpus itself: its labels agree with the slow judge, and it is the same for the same seed."""

from random import Random

import pytest

from tests.tools.apply_patch.drafts import Draft
from tests.tools.apply_patch.faults import FAULTS, cases, edit
from tests.tools.apply_patch.reference import exact, results, trailing
from tests.tools.apply_patch.sources import our_sources
from tests.tools.apply_patch.syntax import parses

SOURCES = our_sources()
NO_PLACE = ("removed.", "context.", "gap.", "partial.", "marker.plus", "stale.", "reworded.")
"""The families of refusals in which no reading to the letter may give Python."""


def faulty(name: str, count: int) -> list[Draft]:
    """Drafts with a fault that are still hunks of marked lines, which the judge can read."""
    found: list[Draft] = []
    for number in range(count):
        draft = edit(SOURCES, 0, number)
        made = None if draft is None else FAULTS[name](draft, Random(number))
        if made is not None and made.text is None and _is_marked(made):
            found.append(made)
    return found


def _is_marked(draft: Draft) -> bool:
    lines = [line for hunk in draft.hunks for line in hunk.lines]
    return all(line[:1] in (" ", "-", "+") for line in lines)


def meant(draft: Draft) -> set[str]:
    """What the hunks mean to the letter, or but for white space at line ends."""
    bodies = [hunk.lines for hunk in draft.hunks]
    return results(draft.baseline, bodies, exact) or results(draft.baseline, bodies, trailing)


APPLIED = [name for name, fault in FAULTS.items() if fault.due == "apply"]
REFUSED = [name for name, fault in FAULTS.items() if fault.due == "refuse"]


@pytest.mark.parametrize("fault", APPLIED)
def test_what_must_apply_is_all_that_the_hunks_can_mean(fault: str) -> None:
    for draft in faulty(fault, 40):
        texts = meant(draft)
        if fault.startswith("right."):
            assert draft.expected <= texts
        elif "no-context-right-numbers" not in fault:
            assert {text for text in texts if parses(text)} <= draft.expected, draft.answer


@pytest.mark.parametrize("fault", [x for x in REFUSED if x.startswith(NO_PLACE)])
def test_what_has_no_place_must_be_refused(fault: str) -> None:
    for draft in faulty(fault, 40):
        anchored = fault == "stale.applied-anchor-only"
        assert anchored or not any(map(parses, meant(draft))), draft.answer


@pytest.mark.parametrize("fault", [x for x in REFUSED if x.startswith("ambiguous.")])
def test_what_has_several_places_must_be_refused(fault: str) -> None:
    for draft in faulty(fault, 40):
        assert len(meant(draft)) != 1, draft.answer


def test_every_answer_that_must_apply_has_a_text_that_is_right() -> None:
    for fault in APPLIED:
        assert all(case.expected for case in cases(FAULTS[fault], SOURCES, 3)), fault


def test_the_same_seed_gives_the_same_cases() -> None:
    one, two = (list(cases(FAULTS["counts.random"], SOURCES, 3)) for _ in "ab")
    assert one == two


def test_another_seed_gives_other_cases() -> None:
    one, two = (list(cases(FAULTS["counts.random"], SOURCES, 3, seed)) for seed in (0, 1))
    assert one != two
