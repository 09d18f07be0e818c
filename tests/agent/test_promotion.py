"""When an adapter takes the place of what is in use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_agent.promotion import decide, trial_of
from deltanas_agent.trial import Tried
from deltanas_repo_store.adapters import AdapterTrial
from deltanas_repo_store.errors import ConfigError
from deltanas_tools.brief import Brief
from tests.adapters_for_tests import trial
from tests.records_for_tests import PARENT

trials = st.builds(
    trial,
    st.integers(0, 40),
    improvement=st.sampled_from([-0.01, 0.0, 0.01]),
)


def test_more_effective_answers_count_first() -> None:
    assert decide(trial(20, improvement=-0.5), trial(19, improvement=0.5)).promote


def test_of_as_many_effective_answers_the_higher_improvement_counts() -> None:
    assert decide(trial(20, improvement=0.02), trial(20, improvement=0.01)).promote
    assert not decide(trial(20, improvement=0.01), trial(20, improvement=0.02)).promote


def test_a_tie_changes_nothing() -> None:
    decision = decide(trial(20), trial(20))
    assert not decision.promote
    assert decision.reason.endswith("as many; mean improvement +0.0100 against +0.0100: not better")


def test_the_reason_says_where_it_may_be_chance() -> None:
    assert decide(trial(25), trial(19)).reason == (
        "effective 25 of 40 (0.62, 95 % 0.47 to 0.76) against 19 of 40 (0.47, 95 % 0.33 to 0.63): "
        "better, but the intervals overlap, so it may be chance"
    )
    assert decide(trial(38), trial(2)).reason.endswith(": better")
    assert decide(trial(2), trial(38)).reason.endswith(": worse")


@pytest.mark.parametrize(
    "old",
    [
        pytest.param(trial(1).model_copy(update={"briefs": "f" * 16}), id="other briefs"),
        pytest.param(trial(1, answers=41), id="another number of answers"),
    ],
)
def test_trials_that_were_not_asked_the_same_are_not_compared(old: AdapterTrial) -> None:
    with pytest.raises(ConfigError, match="the same held-out networks"):
        decide(trial(1), old)


BRIEF = Brief(parent=PARENT, dataset="digits", in_shape=(1, 1, 8, 8), num_classes=10)
ANSWERED = Tried(name="plain", seed=1, answer="", output_tokens=1, output_lines=1)
TRIED = (
    ANSWERED.model_copy(update={"gain": 0.03}),
    ANSWERED.model_copy(update={"seed": 2, "gain": -0.01}),
    ANSWERED.model_copy(update={"seed": 3, "stage": "effective"}),
    ANSWERED.model_copy(update={"seed": 4, "stage": "patch"}),
)


def test_a_trial_is_summed_up() -> None:
    summed = trial_of(TRIED, {"plain": BRIEF})
    assert (summed.num_answers, summed.num_effective) == (4, 2)
    assert summed.mean_improvement == pytest.approx(0.01)


def test_trials_of_the_same_questions_can_be_compared_and_no_others() -> None:
    briefs = {"plain": BRIEF}
    digest = trial_of(TRIED, briefs).briefs
    assert trial_of(TRIED[::-1], briefs).briefs == digest
    assert trial_of((*TRIED[:3], ANSWERED.model_copy(update={"seed": 4})), briefs).briefs == digest
    assert trial_of(TRIED[:3], briefs).briefs != digest
    other = {"plain": BRIEF.model_copy(update={"epochs": 2})}
    assert trial_of(TRIED, other).briefs != digest


def test_a_trial_without_an_answer_says_nothing() -> None:
    with pytest.raises(ConfigError, match="at least one network"):
        trial_of([], {})


@given(trials, trials)
def test_never_are_both_better_than_the_other(one: AdapterTrial, other: AdapterTrial) -> None:
    assert not (decide(one, other).promote and decide(other, one).promote)


@given(trials, trials, trials)
def test_better_is_transitive(one: AdapterTrial, two: AdapterTrial, three: AdapterTrial) -> None:
    if decide(one, two).promote and decide(two, three).promote:
        assert decide(one, three).promote
