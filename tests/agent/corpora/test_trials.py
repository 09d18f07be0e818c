"""Which of two networks is better, by what is reported of them."""

import pytest

from deltanas_agent.corpora.trials import Comparison, compare, measured
from deltanas_repo_store.reported import ReportedTrial
from tests.agent.corpora.stores_for_tests import trial


def compared(
    one: list[ReportedTrial], other: list[ReportedTrial], min_gain: float = 0.02
) -> Comparison | None:
    return compare(measured(one)["cifar-10"], measured(other)["cifar-10"], min_gain)


def test_the_same_conditions_go_before_better_trials() -> None:
    one = [trial(0.50), trial(0.90, lr=0.3)]
    other = [trial(0.55), trial(0.60, lr=0.2)]
    assert compared(one, other) == ("alike", 0.50, 0.55)


def test_how_far_a_training_was_to_go_is_no_condition_of_its_first_epoch() -> None:
    assert compared([trial(0.5, epoch=5)], [trial(0.6, epoch=1)]) == ("alike", 0.5, 0.6)


def test_the_same_transform_goes_before_the_best_of_all() -> None:
    one = [trial(0.5, lr=0.1), trial(0.9, transform="echo")]
    other = [trial(0.7, lr=0.2), trial(0.8, transform="norm_299")]
    assert compared(one, other) == ("same-transform", 0.5, 0.7)


def test_without_a_common_transform_the_best_trials_are_compared() -> None:
    one = [trial(0.5), trial(0.6)]
    assert compared(one, [trial(0.9, transform="echo")]) == ("best-trials", 0.6, 0.9)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(trial(0.50), trial(0.51), id="alike, within the least gain"),
        pytest.param(trial(0.50), trial(0.57, lr=0.2), id="other conditions, within four times"),
    ],
)
def test_a_small_difference_is_none(one: ReportedTrial, other: ReportedTrial) -> None:
    assert compared([one], [other]) is None


def test_only_first_epochs_count() -> None:
    assert set(measured([trial(0.9, epochs=5), trial(0.5, dataset="mnist")])) == {"mnist"}
