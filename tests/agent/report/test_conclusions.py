"""What a report concludes, and what it says cannot be concluded."""

import pytest

from deltanas_agent.report.arms import arms, comparisons
from deltanas_agent.report.conclusions import conclusions
from tests.agent.report.runs_for_tests import Runs, compared


def said(runs: Runs, *names: str) -> list[str]:
    facts = runs.facts(*names)
    found = arms(facts)
    return [
        f"{'open' if each.is_open else 'told'}: {each.words}"
        for each in conclusions(facts, found, comparisons(found))
    ]


def only(sentences: list[str], words: str) -> str:
    [found] = [each for each in sentences if words in each]
    return found


def test_a_best_within_noise_of_the_best_baseline_is_not_told_from_luck() -> None:
    runs = Runs()
    runs.begin("night")
    runs.measure(0, 0.89)
    runs.keep("night", 1, accuracy=0.90, noise_floor=0.02)
    sentence = only(said(runs, "night"), "the best baseline is ash")
    assert sentence.startswith("open")
    assert "cannot be told from luck" in sentence


def test_a_best_beyond_noise_is_told_and_its_luck_in_being_picked_named() -> None:
    runs = Runs()
    runs.begin("night")
    runs.measure(0, 0.80)
    runs.keep("night", 1, accuracy=0.90, noise_floor=0.02)
    sentence = only(said(runs, "night"), "the best baseline is ash")
    assert sentence.startswith("told")
    assert "the true gain is probably smaller" in sentence


def test_means_over_seeds_are_held_against_a_smaller_noise_than_single_numbers() -> None:
    runs = Runs()
    runs.begin("night")
    runs.measure(0, 0.88, 0.88, 0.88, 0.88)
    best = runs.keep("night", 1, accuracy=0.895, noise_floor=0.02)
    runs.score(best, 0.895, 0.895, 0.895, 0.895)
    assert only(said(runs, "night"), "the best baseline is ash").startswith("told")


def test_no_noise_floor_means_that_nothing_is_told_from_luck() -> None:
    runs = Runs()
    runs.begin("night")
    runs.measure(0, 0.5)
    runs.keep("night", 1, accuracy=0.9, noise_floor=None)
    assert all(each.startswith("open") for each in said(runs, "night"))


def test_one_improvement_among_twelve_may_be_luck() -> None:
    runs = compared()
    runs.keep("night", 13, accuracy=0.9, parent_accuracy=0.8)
    assert "they may all be luck" in only(said(runs, "night"), "1 of 13 trained")


def test_nothing_trained_means_that_nothing_is_known() -> None:
    runs = Runs()
    runs.begin("night")
    runs.refuse("night", 1)
    assert said(runs, "night") == ["open: night: nothing was trained, so nothing is known."]


def test_a_run_without_answers_is_reported_as_one() -> None:
    runs = Runs()
    runs.begin("night")
    assert said(runs, "night") == ["open: night: nothing was trained, so nothing is known."]


def test_rates_that_part_are_told_and_those_that_overlap_are_open() -> None:
    sentences = said(compared(), "night", "day")
    assert "applied, of first answers" in only(sentences, "night is above day")
    assert "improved, of first answers" in only(sentences, "cannot be concluded where")


def test_of_one_seed_of_each_search_nothing_is_said_about_others() -> None:
    assert only(said(compared(), "night", "day"), "Each arm ran with one seed").startswith("open")


def test_unequal_budgets_are_named() -> None:
    runs = compared()
    for index in range(20, 40):
        runs.refuse("day", index)
    assert "12 and 32 answers" in only(said(runs, "night", "day"), "unequal budgets")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(("dataset", "svhn"), id="another data set"),
        pytest.param(("epochs", 5), id="more epochs"),
        pytest.param(("dataset_digest", "f" * 64), id="other images under the same name"),
    ],
)
def test_accuracies_of_different_tasks_are_never_compared(change: tuple[str, object]) -> None:
    runs = Runs()
    for run in ("night", "day"):
        runs.begin(run)
    for index in range(1, 7):
        runs.keep("night", index)
        runs.keep("day", index, evaluation_changes=[change])
    assert only(said(runs, "night", "day"), "different tasks").startswith("open")
    found = comparisons(arms(runs.facts("night", "day")))
    accuracies = [each for each in found if "accuracy" in each.what]
    assert len(accuracies) == 2
    assert not any(each.pairs for each in accuracies)


def test_the_arms_of_one_run_are_told_apart_by_its_configuration() -> None:
    runs = Runs()
    runs.begin("night", arms={"a": {"proposer": "mutation"}, "b": {"proposer": "mutation"}})
    for index in range(1, 6):
        runs.keep("night", index)
    found = arms(runs.facts("night"))
    assert {arm.name: len(arm.ended) for arm in found} == {"night · a": 3, "night · b": 2}
