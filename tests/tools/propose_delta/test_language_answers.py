"""What is made of a model's words: always an answer, and the delta that they mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.delta import render_delta
from deltanas_tools.apply_patch import NO_GATES, Applied, Refused, apply
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.propose_delta.language.answers import as_delta, completed, is_over, whole_file

SOURCE = baselines()["plain-cnn"].source
WIDER = SOURCE.replace("(12, 24, 48)", "(16, 32, 64)")
GRAMMAR = DeltaGrammar.of(SOURCE)
HUNK = "@@\n-        widths = (12, 24, 48)\n+        widths = (16, 32, 64)\n"


def test_hunks_without_numbers_become_a_strict_diff() -> None:
    answer = completed(HUNK, GRAMMAR, frozen_parts=True).text
    assert answer == render_delta(SOURCE, WIDER)
    applied = apply(SOURCE, answer, gates=NO_GATES)
    assert isinstance(applied, Applied)
    assert applied.relaxations == ()


def test_an_answer_that_ran_out_of_tokens_counts_as_far_as_it_is_whole() -> None:
    answer = completed(f"{HUNK}@@\n         kern", GRAMMAR, frozen_parts=True).text
    assert answer == render_delta(SOURCE, WIDER)


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param("+        if\n", id="no Python"),
        pytest.param("+        widths = wide\n", id="a name that nothing binds"),
        pytest.param("+        self.stem = self.bn0\n", id="an attribute that nothing sets"),
        pytest.param("+    learn = None\n", id="a frozen part"),
    ],
)
def test_an_answer_counts_as_far_as_it_is_sound(rest: str) -> None:
    answer = completed(HUNK + rest, GRAMMAR, frozen_parts=True).text
    assert answer == render_delta(SOURCE, WIDER)


def test_comments_alone_are_not_worth_building() -> None:
    hunk = "@@\n         widths = (12, 24, 48)\n+        # wide\n"
    assert not completed(hunk, GRAMMAR, frozen_parts=True).is_sound
    assert completed(HUNK, GRAMMAR, frozen_parts=True).is_sound


def test_an_answer_that_is_never_sound_is_what_the_model_wrote() -> None:
    answer = completed(HUNK.replace("(16, 32, 64)", "(16,"), GRAMMAR, frozen_parts=True).text
    assert "+        widths = (16,\n" in answer


def test_an_answer_without_a_change_is_refused_by_the_applier() -> None:
    answer = completed("@@\n         widths = (12, 24, 48)\n", GRAMMAR, frozen_parts=True).text
    assert isinstance(apply(SOURCE, answer, gates=NO_GATES), Refused)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"```python\n{WIDER}```\n", id="fenced"),
        pytest.param(f"Here it is:\n\n```python\n{WIDER}```\nIt is wider.", id="prose round it"),
        pytest.param(f"```\n{WIDER}", id="a fence that is not closed"),
        pytest.param(f"{WIDER}```\nIt is wider.", id="a fence that is not opened"),
        pytest.param(WIDER, id="bare"),
    ],
)
def test_a_whole_file_becomes_the_delta_to_it(text: str) -> None:
    assert as_delta(text, SOURCE) == render_delta(SOURCE, WIDER)


def test_the_longest_block_is_the_file() -> None:
    assert whole_file(f"```\npip install torch\n```\n```python\n{WIDER}```") == WIDER


def test_a_copy_of_the_parent_is_refused_for_changing_nothing() -> None:
    refused = apply(SOURCE, as_delta(f"```python\n{SOURCE}```", SOURCE))
    assert isinstance(refused, Refused)
    assert refused.code == "no-op"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("```python\nimport torch\n", False, id="a block that is open"),
        pytest.param("```python\nimport torch\n```\n", True, id="a block that is closed"),
        pytest.param("Here it is:\n```\n-a\n+b\n```\n", True, id="prose before it"),
        pytest.param("--- a/net.py\n+++ b/net.py\n", False, id="no block"),
    ],
)
def test_a_free_answer_is_over_when_its_block_is_closed(text: str, expected: bool) -> None:
    assert is_over(text) == expected


@given(st.text())
def test_any_words_make_an_answer(text: str) -> None:
    assert isinstance(completed(text, GRAMMAR, frozen_parts=True).text, str)
    assert isinstance(as_delta(text, SOURCE), str)
