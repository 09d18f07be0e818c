"""How well one ranking holds for another: correlations, the best few, and corrected p-values."""

from collections.abc import Sequence
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]

MAX_PAIRED = 200
"""Up to so many networks, comparing all pairs at once is faster than sorting row by row."""


def spearman(scores: Array, target: Array) -> Array:
    """Return the rank correlation of each row of ``scores`` with ``target``.

    Ties share their mean rank. A row in which everything is tied says nothing: 0.

    Source: Spearman, "The proof and measurement of association between two things" (1904).

    Args:
        scores: Of shape ``(rows, networks)``.
        target: Of shape ``(networks,)``, or of the shape of ``scores``.
    """
    a = stats.rankdata(scores, axis=-1)
    b = stats.rankdata(target, axis=-1)
    a = a - a.mean(axis=-1, keepdims=True)
    b = b - b.mean(axis=-1, keepdims=True)
    size = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    found: Array = np.divide((a * b).sum(axis=-1), size, out=np.zeros_like(size), where=size > 0)
    return found


def spearman_p(rho: Array, num_networks: int) -> Array:
    """Return the two-sided p-values of rank correlations, from Student's t distribution.

    Of fewer than three networks every correlation is chance: 1.
    """
    if num_networks < 3:
        return np.ones_like(rho)
    free = num_networks - 2
    with np.errstate(divide="ignore"):
        t = np.abs(rho) * np.sqrt(free / np.maximum(1.0 - rho**2, 0.0))
    found: Array = 2.0 * stats.t.sf(t, free)
    return found


def kendall(scores: Array, target: Array) -> Array:
    """Return Kendall's tau-b of each row of ``scores`` with ``target``; 0 where all is tied.

    Source: Kendall, "The treatment of ties in ranking problems" (1945).
    """
    if len(target) > MAX_PAIRED:
        sorting: Array = np.array([stats.kendalltau(row, target).statistic for row in scores])
        return np.where(np.isnan(sorting), 0.0, sorting)
    ours, theirs = _orders(scores), _orders(target[None])[0]
    size = np.sqrt((ours * ours).sum(axis=-1) * (theirs * theirs).sum())
    taus: Array = np.divide(ours @ theirs, size, out=np.zeros_like(size), where=size > 0)
    return taus


def kendall_p(scores: Array, target: Array) -> Array:
    """Return the two-sided p-values of Kendall's tau-b; 1 where all is tied."""
    found: Array = np.array([stats.kendalltau(row, target).pvalue for row in scores])
    return np.where(np.isnan(found), 1.0, found)


def _orders(values: Array) -> Array:
    """Return which of each pair is higher: 1, 0 or -1, of shape ``(rows, pairs)``."""
    first, second = np.triu_indices(values.shape[-1], k=1)
    found: Array = np.sign(values[:, first] - values[:, second])
    return found


def recall(scores: Array, target: Array, k: int) -> Array:
    """Return which share of the ``k`` best by ``target`` each row has among its own ``k`` best.

    Of tied ones, those that come first are taken.
    """
    best = np.zeros(len(target), dtype=bool)
    best[_best(target, k)] = True
    found: Array = best[_best(scores, k)].mean(axis=-1)
    return found


def regret(scores: Array, target: Array) -> Array:
    """Return by how much the first of each row falls short of the best ``target``."""
    first = np.argmax(scores, axis=-1)
    found: Array = target.max() - target[first]
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number.

    Source: Holm, "A simple sequentially rejective multiple test procedure" (1979).
    """
    corrected = [1.0] * len(p_values)
    floor = 0.0
    for place, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        floor = max(floor, min(1.0, (len(p_values) - place) * p_values[at]))
        corrected[at] = floor
    return corrected


def p_of_draws(p_values: Sequence[float]) -> float:
    """Return one p-value for a test that was made on several random parts of the same data.

    Twice the median is one, however the parts depend on each other; a single one stays as it is.

    Source: Meinshausen, Meier and Bühlmann, "p-values for high-dimensional regression" (2009),
    section 3.
    """
    return p_values[0] if len(p_values) == 1 else min(1.0, 2.0 * median(p_values))


def p_of_resamples(differences: Array) -> float:
    """Return a two-sided p-value for a difference of 0, from its bootstrap distribution.

    Source: Davison and Hinkley, "Bootstrap Methods and their Application" (1997), section 4.2.
    """
    known = differences[np.isfinite(differences)]
    tail = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2.0 * (1 + tail) / (1 + len(known)))


def interval(resamples: Array) -> tuple[float, float] | None:
    """Return the 95 % percentile interval of a bootstrap distribution; None of an empty one."""
    known = resamples[np.isfinite(resamples)]
    if len(known) == 0:
        return None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def _best(values: Array, k: int) -> NDArray[np.intp]:
    """Return the places of the ``k`` highest along the last axis, the highest first."""
    return np.argsort(-values, axis=-1, kind="stable")[..., :k]
