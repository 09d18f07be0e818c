"""reference: the judge itself, on cases that a reader can check."""

import pytest

from tests.tools.apply_patch.reference import (
    Edit,
    characters,
    dense_sites,
    edits_at,
    exact,
    first_results,
    merged,
    results,
    spaces,
)

FILE = "a\nb\na\nc\n"


def test_a_hunk_in_one_place_has_one_text() -> None:
    assert results(FILE, [["-b", "+B"]]) == {"a\nB\na\nc\n"}


def test_a_hunk_in_two_places_has_two_texts() -> None:
    assert results(FILE, [["-a", "+A"]]) == {"A\nb\na\nc\n", "a\nb\nA\nc\n"}


def test_places_that_give_one_text_are_one_text() -> None:
    assert results("x\nx\n", [["-x"]]) == {"x\n"}


def test_a_hunk_without_a_place_has_no_text() -> None:
    assert results(FILE, [["-z"]]) == set()


def test_context_is_the_line_of_the_file() -> None:
    assert results("a  =  1\nb\n", [[" a = 1", "-b"]], spaces) == {"a  =  1\n"}


def test_hunks_are_tried_in_every_combination() -> None:
    texts = results(FILE, [["-a", "+A"], ["-c", "+C"]])
    assert texts == {"A\nb\na\nC\n", "a\nb\nA\nC\n"}


def test_hunks_that_keep_and_remove_one_line_have_no_text() -> None:
    assert results(FILE, [["-b"], [" b", "+c"]]) == set()


def test_a_missing_final_newline_stays_missing() -> None:
    assert results("a\nb", [[" b", "+c"]]) == {"a\nb\nc"}


def test_an_insertion_below_the_last_line_stays_above_the_final_newline() -> None:
    assert results("a\nb\n", [[" b", "+c"]]) == {"a\nb\nc\n"}


def test_the_least_forgiving_fold_with_a_place_decides() -> None:
    assert first_results("x = 1\nx=1\n", [["-x=1"]]) == {"x = 1\n"}


def test_edits_of_a_hunk_stand_where_its_changes_do() -> None:
    assert edits_at([" a", "-b", "+B", " c", "+d"], 5) == [
        Edit(6, 7, ("B",)),
        Edit(8, 8, ("d",)),
    ]


@pytest.mark.parametrize(
    "edits",
    [
        pytest.param([Edit(0, 2, ()), Edit(1, 2, ())], id="overlapping"),
        pytest.param([Edit(1, 1, ("x",)), Edit(1, 1, ("y",))], id="in the same place"),
    ],
)
def test_edits_in_each_others_way_are_not_merged(edits: list[Edit]) -> None:
    assert merged(["a", "b"], edits) is None


def test_equal_edits_are_made_once() -> None:
    assert merged(["a"], [Edit(0, 1, ("b",)), Edit(0, 1, ("b",))]) == ["b"]


def test_blank_lines_do_not_count_for_dense_places() -> None:
    assert dense_sites(["a", "", "b"], ["a", "b"]) == [0]


@pytest.mark.parametrize(
    ("line", "folded"),
    [
        pytest.param("a = \u201cb\u201d", 'a="b"', id="quotes"),
        pytest.param("a\u00a0= -1", "a=-1", id="no-break space"),
        pytest.param("a \u2013\u200b 1", "a-1", id="dash and zero width"),
    ],
)
def test_characters_fold_to_plain_ones(line: str, folded: str) -> None:
    assert characters(line) == folded


def test_exact_folds_nothing() -> None:
    assert exact(" a\u00a0 ") == " a\u00a0 "
