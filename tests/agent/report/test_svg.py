"""Scales, ticks and escaped text of figures."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_agent.report.figures import Dot, count_bars, dots_by_cycle, histogram
from deltanas_agent.report.svg import Scale, figure, number, span, text, ticks
from tests.agent.report.runs_for_tests import HOSTILE

NUMBERS = st.floats(-1e9, 1e9)


@given(st.lists(NUMBERS, max_size=5))
def test_an_axis_shows_all_values_and_has_ticks_within(values: list[float]) -> None:
    low, high = span(values)
    assert low < high
    assert all(low <= each <= high for each in values)
    found = ticks(low, high)
    slack = (high - low) * 1e-6
    assert 2 <= len(found) <= 11
    assert low - slack <= found[0] < found[-1] <= high + slack


def test_a_scale_turns_ends_into_ends() -> None:
    scale = Scale(0.0, 2.0, 100.0, 50.0)
    assert [scale(0.0), scale(1.0), scale(2.0)] == [100.0, 75.0, 50.0]


@pytest.mark.parametrize(
    ("value", "shown"), [(0.25, "0.25"), (1500, "1500"), (25_000, "25k"), (3_200_000, "3.2M")]
)
def test_ticks_are_short(value: float, shown: str) -> None:
    assert number(value) == shown


def test_hostile_names_stay_text_in_a_figure() -> None:
    root = ET.fromstring(figure(10, HOSTILE, [text(0, 0, HOSTILE)]))
    assert [each.tag for each in root] == ["{http://www.w3.org/2000/svg}text"]
    assert set(root.attrib) == {"viewBox", "role", "aria-label"}


def test_a_figure_of_very_many_candidates_stays_small() -> None:
    dots = [Dot(1 + at % 20, at / 50_000, False) for at in range(50_000)]
    svg = dots_by_cycle("many", "accuracy", dots, mark=None, mark_name="")
    assert len(svg) < 200_000


def test_a_value_at_the_end_of_a_histogram_is_in_its_last_bin() -> None:
    svg = histogram("", "similarity", {"night": [1.0]}, ends=(0.0, 1.0), marks={})
    heights = [
        float(each.attrib["height"])
        for each in ET.fromstring(svg).iter()
        if "height" in each.attrib
    ]
    assert [each > 0 for each in heights] == [False] * 19 + [True]


def test_counts_stand_beside_their_bars() -> None:
    svg = count_bars("", {"patch: not-found": [3, 0]}, ["night", "day"])
    words = [each.text for each in ET.fromstring(svg).iter() if each.text]
    assert words == ["night", "day", "patch: not-found", "3", "0"]
