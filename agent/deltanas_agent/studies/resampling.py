"""Drawing networks and their trainings, and what proxies are worth on what was drawn.

A network is drawn with one of its trainings, so that one that was trained often counts no more. A
bootstrap draws whole families, the same ones in every field: relatives are alike, and the same
network in two fields is no second piece of evidence.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deltanas_agent.studies.proxies import Proxy, Sample
from deltanas_agent.studies.statistics import (
    Array,
    kendall,
    kendall_p,
    p_of_draws,
    recall,
    regret,
    spearman,
    spearman_p,
)

MEASURES = ("spearman", "kendall", "recall", "regret", "harvest")
"""The harvest is the mean long accuracy of a proxy's best at plain accuracy's cost: a proxy that
takes twice as many epochs ranks half of the networks, drawn at random."""
MIN_NETWORKS = 5
"""A ranking of fewer is not worth a number."""
MIN_UNITS = 5
"""Of fewer families a bootstrap interval is far too narrow."""
MIN_DRAWN = 3
"""Different networks of a resample from which it has a correlation."""
Rows = NDArray[np.int64]
Unit = Literal["families", "networks"]
"""What a bootstrap draws."""


class Points(NamedTuple):
    """Figures of proxies on what there is."""

    values: Array
    """Of shape ``(1 + proxies, measures)``, in the order of `MEASURES`; means over draws."""
    spearman_p: tuple[float, ...]
    """From one network of each family, proxy by proxy."""
    kendall_p: tuple[float, ...]


@dataclass(frozen=True)
class Compared:
    """Proxies that can say something of the same rows of a sample, plain accuracy first."""

    sample: Sample
    places: tuple[int, ...]
    """Which proxies these are, but for the first, which is only compared with."""
    scores: Array
    """Of shape ``(1 + proxies, rows)``, of the sample's rows."""
    epochs: Array
    """What each costs a network."""
    rows: Rows
    """The rows of the sample of which all have a score."""
    unit: Unit
    top: int
    """How many are the best, if the networks are enough."""

    @cached_property
    def trainings(self) -> dict[int, Rows]:
        """The rows of each network that has any."""
        owners = self.sample.owners[self.rows]
        return {int(owner): self.rows[owners == owner] for owner in np.unique(owners)}

    @cached_property
    def families(self) -> dict[str, list[int]]:
        """The networks of each unit that a bootstrap draws: a family, or a network alone."""
        found: dict[str, list[int]] = {}
        for owner in self.trainings:
            network = self.sample.field.networks[owner]
            name = network.family if self.unit == "families" else network.name
            found.setdefault(name, []).append(owner)
        return found

    def draw(self, owners: Sequence[int], rng: np.random.Generator) -> Rows:
        """Draw a training of each of the networks."""
        each = [self.trainings[owner] for owner in owners]
        which = (rng.random(len(each)) * [len(rows) for rows in each]).astype(int)
        return np.array([rows[at] for rows, at in zip(each, which, strict=True)], dtype=np.int64)

    def measure(self, rows: Rows, rng: np.random.Generator) -> Array:
        """Return the measures of the proxies on the drawn rows."""
        scores, target = self.scores[:, rows], self.sample.target[rows]
        k = top_of(len(rows), self.top)
        columns = (
            spearman(scores, target),
            kendall(scores, target),
            recall(scores, target, k),
            regret(scores, target),
            self._harvest(scores, target, k, rng.permutation(len(rows))),
        )
        return np.stack(columns, axis=1)

    def _harvest(self, scores: Array, target: Array, k: int, order: Rows) -> Array:
        affordable = len(order) * np.minimum(self.epochs[0] / np.maximum(self.epochs, 1e-9), 1.0)
        found = []
        for row, num_networks in zip(scores, np.maximum(affordable.astype(int), k), strict=True):
            ranked = order[:num_networks]
            found.append(target[ranked[np.argsort(-row[ranked], kind="stable")[:k]]].mean())
        return np.array(found)

    def points(self, num_draws: int, rng: np.random.Generator) -> Points:
        """Return the figures on all networks, as means over draws of their trainings."""
        owners = list(self.trainings)
        values = [self.measure(self.draw(owners, rng), rng) for _ in range(num_draws)]
        # Drawing what can be drawn in one way alone is one test.
        is_certain = len(self.rows) == len(self.families)
        drawn = [self._p_values(rng) for _ in range(1 if is_certain else num_draws)]
        spearman_ps, kendall_ps = (
            tuple(p_of_draws(list(each)) for each in np.transpose(p_values))
            for p_values in zip(*drawn, strict=True)
        )
        return Points(np.mean(values, axis=0), spearman_ps, kendall_ps)

    def _p_values(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """Test the correlations on one network of each family, which are independent."""
        owners = [each[int(rng.integers(len(each)))] for each in self.families.values()]
        rows = self.draw(owners, rng)
        scores, target = self.scores[:, rows], self.sample.target[rows]
        return spearman_p(spearman(scores, target), len(rows)), kendall_p(scores, target)

    def resample(self, counts: Mapping[str, int], rng: np.random.Generator) -> Array:
        """Return the measures on families drawn so often; NaN where too few networks come of it."""
        owners = [
            owner for name, count in counts.items() for owner in self.families.get(name, []) * count
        ]
        if len(self.families) < MIN_UNITS or len(set(owners)) < MIN_DRAWN:
            return np.full((len(self.scores), len(MEASURES)), np.nan)
        return self.measure(self.draw(owners, rng), rng)


def compared(
    sample: Sample, asked: Sequence[Proxy], others: Sequence[Sample], *, unit: Unit, top: int
) -> tuple[Compared, ...]:
    """Score a sample's rows, and put the proxies together that have a score for the same ones."""
    scores = [proxy.score(sample, others) for proxy in asked]
    epochs = np.array([_cost(proxy, sample) for proxy in asked])
    groups: dict[bytes, list[int]] = {}
    for place, each in enumerate(scores):
        groups.setdefault(np.isfinite(each).tobytes(), []).append(place)
    found = []
    for places in groups.values():
        rows = np.flatnonzero(np.isfinite(scores[places[0]])).astype(np.int64)
        values = np.stack([scores[0], *(scores[place] for place in places)])
        group = Compared(sample, tuple(places), values, epochs[[0, *places]], rows, unit, top)
        if len(group.trainings) >= MIN_NETWORKS:
            found.append(group)
    return tuple(found)


def _cost(proxy: Proxy, sample: Sample) -> float:
    """Return the epochs that a proxy takes of a network, on the average."""
    if proxy.epochs is not None:
        return proxy.epochs
    networks = [sample.field.networks[owner] for owner in np.unique(sample.owners)]
    counts = [
        sum(sample.short in training.accuracies for training in network.trainings)
        for network in networks
    ]
    return sample.short * sum(counts) / len(counts)


def top_of(num_networks: int, top: int) -> int:
    """Return how many count as the best: ``top``, but a fifth of the networks at most."""
    return max(1, min(top, num_networks // 5))


def unit_of(samples: Sequence[Sample]) -> Unit:
    """Return what is drawn: families, or networks where a field has too few families."""
    families = [{network.family for network, _ in sample.rows} for sample in samples]
    return "networks" if min(map(len, families)) < MIN_UNITS else "families"


def drawn_families(groups: Sequence[Compared], rng: np.random.Generator) -> dict[str, int]:
    """Draw as many families as all groups together have, and say how often each was drawn."""
    names = sorted({name for group in groups for name in group.families})
    counts = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}
