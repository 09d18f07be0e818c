"""Text that a model wrote: what is shown of it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_agent.report.text import cell, one_line, visible


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        pytest.param("\x00", "\\x00", id="nul"),
        pytest.param("\x1b[31m", "\\x1b[31m", id="escape sequence"),
        pytest.param("a\rb", "a\\x0db", id="carriage return"),
        pytest.param("\u202e", "\\u{202e}", id="right-to-left override"),
        pytest.param("\u200b", "\\u{200b}", id="zero-width space"),
        pytest.param("\u2028", "\\u{2028}", id="line separator"),
        pytest.param("\ud800", "\\u{d800}", id="lone surrogate"),
        pytest.param("\U000e0041", "\\u{e0041}", id="tag character"),
    ],
)
def test_what_hides_or_reorders_text_is_spelt_out(hidden: str, shown: str) -> None:
    assert visible(hidden) == shown


def test_letters_of_any_script_line_ends_and_tabs_stay() -> None:
    assert visible("größe\t日本\n") == "größe\t日本\n"


@given(st.text(st.characters()))
def test_any_text_becomes_one_that_can_be_written_and_seen(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not any(
        unicodedata.category(char) in {"Cc", "Cf", "Cs"} for char in shown if char not in "\n\t"
    )


@given(st.text(st.characters()), st.integers(1, 80))
def test_one_line_is_one_line_of_its_length(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert "\n" not in line


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " @"])
def test_a_cell_is_no_formula_of_a_spreadsheet(start: str) -> None:
    assert cell(f"{start}HYPERLINK(1)").startswith("'")
