"""Cheap ways to rank networks without training them for long, each with what it costs.

A proxy never sees a long accuracy of the field that it ranks. Those that have weights to fit take
them from the other fields.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from deltanas_agent.studies.statistics import Array
from deltanas_agent.studies.trainings import Field, Network, Training

Target = Literal["training", "network"]
"""What a proxy is to foretell: how far the training goes that it has seen the beginning of, or the
best that any of the network's trainings reaches."""

REPEATS = 3
"""Trainings of the proxies that look at several of one network."""
NEIGHBOURS = 15
"""Trainings with the nearest learning rates that one is ranked among."""
SCREENED = 1 / 3
"""Share of the trainings that go on after the first epochs."""
EXPONENTS = (0.25, 0.5, 1.0, 2.0)
"""Of the power laws that are fitted to learning curves; the best-fitting one counts."""
_SEED = 42


@dataclass(frozen=True)
class Sample:
    """The trainings of a field that have both a short and a long accuracy, row by row."""

    field: Field
    short: int
    long: int
    target_is: Target = "training"

    @cached_property
    def rows(self) -> tuple[tuple[Network, Training], ...]:
        """The trainings, each with its network."""
        return tuple(
            (network, training)
            for network in self.field.networks
            for training in network.trainings
            if {self.short, self.long} <= training.accuracies.keys()
        )

    @cached_property
    def target(self) -> Array:
        """What is to be foretold of each row: an accuracy after the long training."""
        own = self.at(self.long)
        if self.target_is == "training":
            return own
        best = np.zeros(len(self.field.networks))
        np.maximum.at(best, self.owners, own)
        return best[self.owners]

    def at(self, epochs: int) -> Array:
        """Return the accuracy of each row after so many epochs; NaN where it is not known."""
        return np.array([each.accuracies.get(epochs, np.nan) for _, each in self.rows])

    def up_to(self, epochs: int) -> Array:
        """Return the accuracies of each row after 1, 2, ... epochs."""
        return np.stack([self.at(each) for each in range(1, epochs + 1)], axis=1)

    @cached_property
    def learning_rates(self) -> Array:
        """The decimal logarithm of each row's learning rate; NaN where it is not known."""
        rates = [each.learning_rate for _, each in self.rows]
        return np.array([np.nan if rate is None else np.log10(rate) for rate in rates])

    @cached_property
    def owners(self) -> NDArray[np.int64]:
        """Which network of the field each row is of."""
        places = {network.name: place for place, network in enumerate(self.field.networks)}
        return np.array([places[network.name] for network, _ in self.rows], dtype=np.int64)


Score = Callable[[Sample, Sequence[Sample]], Array]
"""Returns a score for each row, the higher the better, and NaN where it cannot say; the others are
the samples of other fields."""


@dataclass(frozen=True)
class Proxy:
    """A cheap way to rank networks."""

    name: str
    epochs: float | None
    """What it costs a network; None for as many trainings as there are."""
    score: Score


def proxies(short: int, long: int) -> tuple[Proxy, ...]:
    """Return the proxies for a long training, plain accuracy after the short one first."""
    later = [each for each in (2, 3, 5) if short < each < long]
    curve = [each for each in (3, 5) if short <= each < long]
    return (
        Proxy(f"epoch {short}", short, lambda sample, _: sample.at(short)),
        Proxy(f"epoch {short} and learning rate", short, _with_rate(short)),
        Proxy(f"epoch {short}, rank among like learning rates", short, _among_like),
        *(Proxy(f"epoch {each}", each, _at(each)) for each in later),
        *(Proxy(f"best of epochs 1 to {each}", each, _best_of(each)) for each in later),
        *(Proxy(f"power law through epochs 1 to {each}", each, _power_law(each)) for each in curve),
        *(Proxy(f"epoch {each} and learning rate", each, _with_rate(each)) for each in later[:2]),
        *(
            Proxy(
                f"epoch {each} for the best third", short + SCREENED * (each - short), _then(each)
            )
            for each in later[1:]
        ),
        Proxy(f"mean of {REPEATS} trainings", REPEATS * short, _several(np.mean, REPEATS)),
        Proxy(f"best of {REPEATS} trainings", REPEATS * short, _several(np.max, REPEATS)),
        Proxy("best of all trainings", None, _several(np.max, None)),
        Proxy("parameters", 0, _parameters),
        Proxy("learning rate", 0, lambda sample, _: sample.learning_rates),
    )


def _at(epochs: int) -> Score:
    return lambda sample, _: sample.at(epochs)


def _best_of(epochs: int) -> Score:
    return lambda sample, _: np.max(sample.up_to(epochs), axis=1)


def _then(epochs: int) -> Score:
    """Train the best third on; they are ranked before the others."""

    def score(sample: Sample, _: Sequence[Sample]) -> Array:
        first = sample.at(sample.short)
        goes_on = first >= np.quantile(first, 1.0 - SCREENED)
        return np.where(goes_on, 1.0 + sample.at(epochs), first)

    return score


def _power_law(epochs: int) -> Score:
    """Extrapolate the first accuracies to the long training.

    Source: Domhan, Springenberg and Hutter, "Speeding up automatic hyperparameter optimization of
    deep neural networks by extrapolation of learning curves" (2015), the law called pow3.
    """

    def score(sample: Sample, _: Sequence[Sample]) -> Array:
        seen = sample.up_to(epochs)
        fits = [_fit(seen, exponent, sample.long) for exponent in EXPONENTS]
        errors = np.stack([error for error, _ in fits])
        reached = np.stack([accuracy for _, accuracy in fits])
        best = np.argmin(np.where(np.isnan(errors), np.inf, errors), axis=0)
        found: Array = reached[best, np.arange(len(seen))]
        return found

    return score


def _fit(seen: Array, exponent: float, long: int) -> tuple[Array, Array]:
    """Fit ``a - b * epoch ** -exponent``; return squared errors, and the accuracy at the end."""
    num_epochs = seen.shape[1]
    powers = np.arange(1, num_epochs + 1, dtype=float) ** -exponent
    design = np.stack([np.ones(num_epochs), powers], axis=1)
    weights = seen @ np.linalg.pinv(design).T
    errors = ((weights @ design.T - seen) ** 2).sum(axis=1)
    return errors, weights @ np.array([1.0, float(long) ** -exponent])


def _with_rate(epochs: int) -> Score:
    """Add the ranks of accuracy and learning rate, weighted as fits the other fields best.

    A low learning rate begins well and stays behind, within what such trainings can tell.
    """

    def score(sample: Sample, others: Sequence[Sample]) -> Array:
        parts = [_ranks(each, epochs) for each in others]
        known = [(x, y, w) for x, y, w in parts if len(y)]
        if not known:
            return np.full(len(sample.rows), np.nan)
        x, y, w = (np.concatenate(each) for each in zip(*known, strict=True))
        root = np.sqrt(w)
        weights, *_ = np.linalg.lstsq(x * root[:, None], y * root, rcond=None)
        own = np.stack([sample.at(epochs), sample.learning_rates], axis=1)
        whole = np.isfinite(own).all(axis=1)
        found = np.full(len(own), np.nan)
        found[whole] = _centred_ranks(own[whole]) @ weights
        return found

    return score


def _ranks(sample: Sample, epochs: int) -> tuple[Array, Array, Array]:
    """Return the ranks to fit with and to fit to, and weights that make networks count alike."""
    values = np.stack([sample.at(epochs), sample.learning_rates, sample.target], axis=1)
    whole = np.isfinite(values).all(axis=1)
    owners = sample.owners[whole]
    ranks = _centred_ranks(values[whole])
    return ranks[:, :2], ranks[:, 2], 1.0 / np.bincount(owners)[owners]


def _centred_ranks(values: Array) -> Array:
    """Return the ranks down each column, brought to lie between -0.5 and 0.5."""
    found: Array = (stats.rankdata(values, axis=0) - 0.5) / max(len(values), 1) - 0.5
    return found


def _among_like(sample: Sample, _: Sequence[Sample]) -> Array:
    """Return which share of other networks' trainings with like learning rates a row is above."""
    first, rates = sample.at(sample.short), sample.learning_rates
    found = np.full(len(first), np.nan)
    for row in np.flatnonzero(np.isfinite(rates)):
        others = np.flatnonzero((sample.owners != sample.owners[row]) & np.isfinite(rates))
        if len(others) > NEIGHBOURS:
            distance = np.abs(rates[others] - rates[row])
            like = others[np.argpartition(distance, NEIGHBOURS)[:NEIGHBOURS]]
            found[row] = np.mean(first[like] < first[row])
    return found


def _several(sum_up: Callable[[Array], np.float64], count: int | None) -> Score:
    """Look at the short accuracies of so many of a network's trainings, the row's among them."""

    def score(sample: Sample, _: Sequence[Sample]) -> Array:
        rng = np.random.default_rng(_SEED)
        found = np.full(len(sample.rows), np.nan)
        for row, (network, training) in enumerate(sample.rows):
            others = np.array(_others(network, training, sample.short))
            if count is None or len(others) >= count - 1:
                drawn = others if count is None else rng.permutation(others)[: count - 1]
                found[row] = sum_up(np.append(drawn, training.accuracies[sample.short]))
        return found

    return score


def _others(network: Network, training: Training, short: int) -> list[float]:
    known: list[Mapping[int, float]] = [
        each.accuracies for each in network.trainings if each is not training
    ]
    return [each[short] for each in known if short in each]


def _parameters(sample: Sample, _: Sequence[Sample]) -> Array:
    counts = [network.num_params for network, _ in sample.rows]
    return np.array([np.nan if count is None else float(count) for count in counts])
