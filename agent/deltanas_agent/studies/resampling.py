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
    top: int

    @cached_property
    def trainings(self) -> dict[int, Rows]:
        """The rows of each network that has any."""
        owners = self.sample.owners[self.rows]
        return {int(owner): self.rows[owners == owner] for owner in np.unique(owners)}

    def families(self, unit: Unit) -> dict[str, list[int]]:
        """Return the networks of each family, or each network as a family of its own."""
        found: dict[str, list[int]] = {}
        for owner in self.trainings:
            network = self.sample.field.networks[owner]
            name = network.family if unit == "families" else network.name
            found.setdefault(name, []).append(owner)
        return found

    def draw(self, owners: Sequence[int], rng: np.random.Generator) -> Rows:
        """Draw a training of each of the networks."""
        each = [self.trainings[owner] for owner in owners]
        return np.array([rows[int(rng.integers(len(rows)))] for rows in each], dtype=np.int64)

    def measure(self, rows: Rows, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return the measures of the proxies on the drawn rows, and the p-values of Kendall's."""
        scores, target = self.scores[:, rows], self.sample.target[rows]
        taus, p_values = kendall(scores, target)
        k = top_of(len(rows), self.top)
        columns = (
            spearman(scores, target),
            taus,
            recall(scores, target, k),
            regret(scores, target),
            self._harvest(scores, target, k, rng.permutation(len(rows))),
        )
        return np.stack(columns, axis=1), p_values

    def _harvest(self, scores: Array, target: Array, k: int, order: Rows) -> Array:
        affordable = len(order) * np.minimum(self.epochs[0] / np.maximum(self.epochs, 1e-9), 1.0)
        found = []
        for row, num_networks in zip(scores, np.maximum(affordable.astype(int), k), strict=True):
            ranked = order[:num_networks]
            found.append(target[ranked[np.argsort(-row[ranked], kind="stable")[:k]]].mean())
        return np.array(found)

    def points(self, num_draws: int, unit: Unit, rng: np.random.Generator) -> Points:
        """Return the figures on all networks, as means over draws of their trainings."""
        families = self.families(unit)
        several = any(len(rows) > 1 for rows in self.trainings.values())
        values = [
            self.measure(self.draw(list(self.trainings), rng), rng)[0]
            for _ in range(num_draws if several else 1)
        ]
        several = several or len(families) < len(self.trainings)
        rhos, taus = [], []
        for _ in range(num_draws if several else 1):
            one_each = [owners[int(rng.integers(len(owners)))] for owners in families.values()]
            found, p_values = self.measure(self.draw(one_each, rng), rng)
            rhos.append(spearman_p(found[:, MEASURES.index("spearman")], len(one_each)))
            taus.append(p_values)
        return Points(
            np.mean(values, axis=0),
            tuple(p_of_draws(list(each)) for each in np.transpose(rhos)),
            tuple(p_of_draws(list(each)) for each in np.transpose(taus)),
        )

    def resample(self, counts: Mapping[str, int], unit: Unit, rng: np.random.Generator) -> Array:
        """Return the measures on families drawn so often; NaN where too few networks come of it."""
        families = self.families(unit)
        owners = [each for name, count in counts.items() for each in families.get(name, []) * count]
        if len(families) < MIN_UNITS or len(set(owners)) < MIN_DRAWN:
            return np.full((len(self.scores), len(MEASURES)), np.nan)
        return self.measure(self.draw(owners, rng), rng)[0]


def compared(
    sample: Sample, asked: Sequence[Proxy], others: Sequence[Sample], top: int
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
        group = Compared(sample, tuple(places), values, epochs[[0, *places]], rows, top)
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


def unit_of(groups: Sequence[Compared]) -> Unit:
    """Return what is drawn: families, or networks where a field has too few families."""
    whole = [group for group in groups if 0 in group.places]  # plain accuracy knows every row
    few = any(len(group.families("families")) < MIN_UNITS for group in whole)
    return "networks" if few else "families"


def drawn_families(
    groups: Sequence[Compared], unit: Unit, rng: np.random.Generator
) -> dict[str, int]:
    """Draw as many families as all groups together have, and say how often each was drawn."""
    names = sorted({name for group in groups for name in group.families(unit)})
    counts = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}
