"""Chooses the samples of a split: at random, in proportion to the classes, for ever the same."""

import numpy as np
from numpy.typing import NDArray

SPLIT_SEED = 20260101
"""Of every split; part of the format, so a change needs a new `dataset.VERSION`."""


def stratified(labels: NDArray[np.int64], num_chosen: int, *, seed: int) -> NDArray[np.bool_]:
    """Mark ``num_chosen`` samples at random, of each class in proportion.

    What the proportions leave over goes to the classes with the largest remainders.
    """
    # The legacy generator's streams are frozen; those of default_rng may change with numpy.
    random = np.random.RandomState(seed)
    shares = np.bincount(labels) * (num_chosen / len(labels))
    quotas = np.floor(shares).astype(int)
    left_over = num_chosen - int(quotas.sum())
    quotas[np.argsort(quotas - shares, kind="stable")[:left_over]] += 1
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label, quota in enumerate(quotas):
        chosen[random.permutation(np.flatnonzero(labels == label))[:quota]] = True
    return chosen
