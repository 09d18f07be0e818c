import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from deltanas_agent.studies.statistics import (
    MAX_PAIRED,
    holm,
    interval,
    kendall,
    kendall_p,
    p_of_draws,
    p_of_resamples,
    recall,
    regret,
    spearman,
    spearman_p,
)


@given(pairs=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=4, max_size=12))
def test_correlations_and_their_p_values_are_scipys_ties_included(
    pairs: list[tuple[int, int]],
) -> None:
    x, y = (np.array(each, dtype=float) for each in zip(*pairs, strict=True))
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert spearman(x[None], y)[0] == 0.0
        assert kendall(x[None], y)[0] == 0.0
        return
    theirs = stats.spearmanr(x, y)
    [rho] = spearman(x[None], y)
    assert rho == pytest.approx(theirs.statistic)
    assert spearman_p(np.array([rho]), len(x))[0] == pytest.approx(theirs.pvalue, abs=1e-6)
    assert kendall(x[None], y)[0] == pytest.approx(stats.kendalltau(x, y).statistic)
    assert kendall_p(x[None], y)[0] == stats.kendalltau(x, y).pvalue


def test_many_networks_are_correlated_as_few_are() -> None:
    x, y = np.random.default_rng(0).integers(0, 50, (2, MAX_PAIRED + 1)).astype(float)
    assert kendall(x[None], y)[0] == pytest.approx(stats.kendalltau(x, y).statistic)


def test_a_ranking_correlates_with_itself_and_against_its_reverse() -> None:
    target = np.array([0.1, 0.4, 0.2, 0.9])
    assert spearman(np.stack([target, -target]), target) == pytest.approx([1.0, -1.0])


def test_two_networks_show_nothing() -> None:
    assert spearman_p(np.array([1.0]), 2) == pytest.approx([1.0])


def test_recall_is_the_share_of_the_best_that_are_found() -> None:
    target = np.array([0.9, 0.8, 0.7, 0.1, 0.2])
    scores = np.array([[5.0, 1.0, 4.0, 3.0, 2.0], [5.0, 4.0, 3.0, 2.0, 1.0]])
    assert recall(scores, target, 2) == pytest.approx([0.5, 1.0])


def test_regret_is_what_the_first_choice_falls_short_of() -> None:
    target = np.array([0.9, 0.6, 0.7])
    scores = np.array([[3.0, 1.0, 2.0], [1.0, 3.0, 2.0]])
    assert regret(scores, target) == pytest.approx([0.0, 0.3])


def test_holm_multiplies_the_smallest_by_their_number_and_keeps_the_order() -> None:
    # Of the four, 0.01 * 4, 0.02 * 3, 0.025 * 2 raised to the one before it, and 0.4 * 1.
    assert holm([0.02, 0.4, 0.01, 0.025]) == pytest.approx([0.06, 0.4, 0.04, 0.06])
    assert holm([]) == []


@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_a_corrected_p_value_is_never_below_its_own_nor_above_bonferronis(
    p_values: list[float],
) -> None:
    for before, after in zip(p_values, holm(p_values), strict=True):
        assert before <= after <= min(1.0, before * len(p_values))


def test_several_draws_cost_twice_the_median_and_a_single_one_nothing() -> None:
    assert p_of_draws([0.03]) == 0.03
    assert p_of_draws([0.01, 0.02, 0.9]) == pytest.approx(0.04)


def test_differences_that_are_always_positive_have_the_least_p_value_that_resamples_allow() -> None:
    assert p_of_resamples(np.full(199, 0.1)) == pytest.approx(2 / 200)
    assert p_of_resamples(np.array([-0.1, 0.1, np.nan])) == 1.0


def test_no_resample_has_no_interval() -> None:
    assert interval(np.array([np.nan, np.nan])) is None
    assert interval(np.linspace(0, 1, 1001)) == pytest.approx((0.025, 0.975))
