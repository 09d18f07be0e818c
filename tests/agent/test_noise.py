"""The noise floor: a gain that luck explains is none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_agent.noise import noise_floor

accuracies = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=5)


@pytest.mark.parametrize("measured", [[], [[0.9]], [[0.9], [0.5]]], ids=str)
def test_without_a_second_seed_there_is_none(measured: list[list[float]]) -> None:
    assert noise_floor(measured) is None


def test_it_is_two_deviations_of_the_difference_of_two_measurements() -> None:
    floor = noise_floor([[0.90, 0.92]])
    assert floor is not None
    deviation = math.sqrt(2 * 0.01**2 / 1)
    assert floor == pytest.approx(2 * math.sqrt(2) * deviation)


def test_how_good_the_networks_are_does_not_matter() -> None:
    assert noise_floor([[0.5, 0.6], [0.8, 0.9]]) == pytest.approx(noise_floor([[0.2, 0.3]]))


@given(st.lists(accuracies, min_size=1, max_size=5))
def test_it_lies_between_those_of_its_networks(measured: list[list[float]]) -> None:
    floors = [noise_floor([each]) for each in measured]
    pooled = noise_floor(measured)
    assert pooled is not None
    assert min(map(float, floors)) - 1e-9 <= pooled <= max(map(float, floors)) + 1e-9  # type: ignore[arg-type]


def test_a_network_that_was_measured_once_says_nothing() -> None:
    assert noise_floor([[0.5, 0.6], [0.9]]) == noise_floor([[0.5, 0.6]])
