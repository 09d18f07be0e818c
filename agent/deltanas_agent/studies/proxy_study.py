"""How well cheap measurements foretell long training, field by field, and which does it best."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Literal

import numpy as np
from pydantic import Field as Bounded

from deltanas_agent.studies.proxies import Proxy, Sample, Target, proxies
from deltanas_agent.studies.resampling import (
    MEASURES,
    MIN_NETWORKS,
    Compared,
    Unit,
    compared,
    drawn_families,
    top_of,
    unit_of,
)
from deltanas_agent.studies.statistics import Array, holm, interval, p_of_resamples
from deltanas_agent.studies.trainings import Field, Progress
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record

_SPEARMAN, _KENDALL, _RECALL, _REGRET, _HARVEST = range(len(MEASURES))


class Design(Record):
    """What is asked of the trainings."""

    short: Annotated[int, Bounded(ge=1)] = 1
    """Epochs of the plain proxy."""
    long: Annotated[int, Bounded(ge=2)] = 50
    """Epochs after which the accuracy counts."""
    target: Target = "training"
    """Foretell how far the same training goes, or the best of all trainings of the network."""
    top: Annotated[int, Bounded(ge=1)] = 10
    """How many are the best; a fifth of the networks at most."""
    draws: Annotated[int, Bounded(ge=1)] = 200
    """Draws of a training of each network, of which figures are the mean."""
    resamples: Annotated[int, Bounded(ge=100)] = 1000
    """Bootstrap resamples, of which intervals come."""
    seed: Annotated[int, Bounded(ge=0)] = 42


class Estimate(Record):
    """A figure and its 95 % interval, which is missing where it would say nothing."""

    value: float
    interval: tuple[float, float] | None


class Correlation(Record):
    """A rank correlation within one field."""

    estimate: Estimate
    p_value: float
    """Two-sided, from one network of each family."""
    p_corrected: float
    """Holm's, over the fields."""


class ProxyResult(Record):
    """What a proxy is worth in one field."""

    proxy: str
    epochs: float
    """What it costs a network, on the average."""
    num_networks: int
    num_trainings: int
    spearman: Correlation
    kendall: Correlation
    recall: Estimate
    """Share of the best networks among the proxy's best."""
    regret: Estimate
    """How much accuracy is lost by taking the proxy's first."""
    harvest: Estimate
    """Mean long accuracy of the proxy's best, at the cost of plain accuracy for all networks."""
    gain: Estimate
    """Its Spearman correlation minus plain accuracy's, on the same networks."""


class FieldResult(Record):
    """The proxies in one field; plain accuracy first."""

    field: str
    num_networks: int
    num_families: int
    num_trainings: int
    top: int
    proxies: tuple[ProxyResult, ...]


class Overall(Record):
    """A proxy over all fields that it can say something about: means of figures within each."""

    proxy: str
    epochs: float
    num_fields: int
    num_better: int
    """Fields in which its Spearman correlation is above plain accuracy's."""
    spearman: Estimate
    gain: Estimate
    """Of the correlation over plain accuracy's."""
    p_corrected: float
    """Of no gain; from the bootstrap, Holm's over the proxies."""
    recall_gain: Estimate
    regret_gain: Estimate
    """Regret minus that of plain accuracy: below 0 is better."""
    harvest_gain: Estimate
    """Mean long accuracy of the proxy's best minus that of plain accuracy's, at equal cost: from
    so many fewer networks as the proxy takes more epochs of each."""

    @property
    def verdict(self) -> Literal["better", "worse", "not told apart"]:
        """How it compares with plain accuracy: an interval without 0, and a p-value below 0.05."""
        limits = self.gain.interval
        if limits is None or self.p_corrected >= 0.05 or limits[0] <= 0.0 <= limits[1]:
            return "not told apart"
        return "better" if limits[0] > 0 else "worse"


class ProxyStudy(Record):
    """The whole study."""

    design: Design
    unit: Unit
    """What the bootstrap draws."""
    fields: tuple[FieldResult, ...]
    left_out: tuple[str, ...]
    """Fields with too few networks."""
    overall: tuple[Overall, ...]


@dataclass(frozen=True)
class _Measured:
    """One proxy in one field: its figures, and plain accuracy's on the same networks."""

    proxy: Proxy
    group: Compared
    points: Array
    plain: Array
    """Both of shape ``(measures,)``."""
    resamples: Array
    plain_resamples: Array
    """Both of shape ``(resamples, measures)``."""
    epochs: float
    """What the proxy costs a network."""
    p_values: tuple[float, float]
    """Of Spearman's and Kendall's correlation."""

    def estimate(self, measure: int) -> Estimate:
        """Return a figure with its interval."""
        return Estimate(
            value=float(self.points[measure]), interval=interval(self.resamples[:, measure])
        )

    def gain(self, measure: int) -> float:
        """Return the figure minus plain accuracy's."""
        return float(self.points[measure] - self.plain[measure])

    def gains(self, measure: int) -> Array:
        """Return the same for each resample."""
        found: Array = self.resamples[:, measure] - self.plain_resamples[:, measure]
        return found


def study_proxies(
    fields: Sequence[Field],
    design: Design,
    progress: Progress = lambda what, done, total: None,
) -> ProxyStudy:
    """Compare the proxies within each field.

    Raises:
        ConfigError: no field has networks enough, or the long training is no longer.
    """
    if design.long <= design.short:
        raise ConfigError(
            f"the long training ({design.long} epochs) has to be longer than the short one "
            f"({design.short})"
        )
    samples = [Sample(each, design.short, design.long, design.target) for each in fields]
    samples = [each for each in samples if len(np.unique(each.owners)) >= MIN_NETWORKS]
    if not samples:
        raise ConfigError(
            f"no data set has {MIN_NETWORKS} networks with accuracies after {design.short} and "
            f"{design.long} epochs; `deltanas train` and `deltanas import lemur` bring them"
        )
    asked = proxies(design.short, design.long)
    unit = unit_of(samples)
    groups = _groups(samples, asked, unit, design.top)
    measured = _measured(groups, asked, design, progress)
    in_fields = [[each for each in measured if each.group.sample is one] for one in samples]
    p_values = _corrected(measured)
    kept = {id(sample.field) for sample in samples}
    return ProxyStudy(
        design=design,
        unit=unit,
        fields=tuple(
            _field_result(sample, found, p_values, design.top)
            for sample, found in zip(samples, in_fields, strict=True)
        ),
        left_out=tuple(each.name for each in fields if id(each) not in kept),
        overall=_overall(asked, measured),
    )


def _groups(
    samples: Sequence[Sample], asked: Sequence[Proxy], unit: Unit, top: int
) -> tuple[Compared, ...]:
    found: list[Compared] = []
    for sample in samples:
        others = [each for each in samples if each is not sample]
        found += compared(sample, asked, others, unit=unit, top=top)
    return tuple(found)


def _measured(
    groups: Sequence[Compared],
    asked: Sequence[Proxy],
    design: Design,
    progress: Progress,
) -> list[_Measured]:
    """Measure every proxy in every field, in the order of the proxies."""
    rng = np.random.default_rng(design.seed)
    total = len(groups) + design.resamples
    points = []
    for done, group in enumerate(groups):
        progress("compare", done, total)
        points.append(group.points(design.draws, rng))
    resamples: list[list[Array]] = [[] for _ in groups]
    for done in range(design.resamples):
        progress("compare", len(groups) + done, total)
        counts = drawn_families(groups, rng)
        for group, found in zip(groups, resamples, strict=True):
            found.append(group.resample(counts, rng))
    progress("compare", total, total)
    measured = []
    for group, point, drawn in zip(groups, points, resamples, strict=True):
        stacked = np.stack(drawn)
        for row, place in enumerate(group.places, start=1):
            measured.append(
                _Measured(
                    asked[place],
                    group,
                    point.values[row],
                    point.values[0],
                    stacked[:, row],
                    stacked[:, 0],
                    float(group.epochs[row]),
                    (point.spearman_p[row], point.kendall_p[row]),
                )
            )
    order = {proxy.name: place for place, proxy in enumerate(asked)}
    return sorted(measured, key=lambda each: order[each.proxy.name])


def _corrected(measured: Sequence[_Measured]) -> dict[tuple[int, int], float]:
    """Return p-values corrected over the fields, by proxy in its field and correlation."""
    found: dict[tuple[int, int], float] = {}
    for same in _by_proxy(measured).values():
        for which in (_SPEARMAN, _KENDALL):
            corrected = holm([each.p_values[which] for each in same])
            found |= {(id(each), which): p for each, p in zip(same, corrected, strict=True)}
    return found


def _by_proxy(measured: Sequence[_Measured]) -> dict[str, list[_Measured]]:
    found: dict[str, list[_Measured]] = {}
    for each in measured:
        found.setdefault(each.proxy.name, []).append(each)
    return found


def _field_result(
    sample: Sample,
    found: Sequence[_Measured],
    p_values: Mapping[tuple[int, int], float],
    top: int,
) -> FieldResult:
    num_networks = len(np.unique(sample.owners))
    families = {network.family for network, _ in sample.rows}

    def correlation(each: _Measured, which: int) -> Correlation:
        return Correlation(
            estimate=each.estimate(which),
            p_value=each.p_values[which],
            p_corrected=p_values[id(each), which],
        )

    return FieldResult(
        field=sample.field.name,
        num_networks=num_networks,
        num_families=len(families),
        num_trainings=len(sample.rows),
        top=top_of(num_networks, top),
        proxies=tuple(
            ProxyResult(
                proxy=each.proxy.name,
                epochs=each.epochs,
                num_networks=len(each.group.trainings),
                num_trainings=len(each.group.rows),
                spearman=correlation(each, _SPEARMAN),
                kendall=correlation(each, _KENDALL),
                recall=each.estimate(_RECALL),
                regret=each.estimate(_REGRET),
                harvest=each.estimate(_HARVEST),
                gain=Estimate(value=each.gain(_SPEARMAN), interval=interval(each.gains(_SPEARMAN))),
            )
            for each in found
        ),
    )


def _overall(asked: Sequence[Proxy], measured: Sequence[_Measured]) -> tuple[Overall, ...]:
    by_proxy = _by_proxy(measured)
    known = [proxy.name for proxy in asked if proxy.name in by_proxy]
    plain = known[0]
    p_values = [
        p_of_resamples(_mean([each.gains(_SPEARMAN) for each in by_proxy[name]]))
        for name in known
        if name != plain
    ]
    corrected = {plain: 1.0, **dict(zip(known[1:], holm(p_values), strict=True))}
    return tuple(_over_fields(name, by_proxy[name], corrected[name]) for name in known)


def _over_fields(name: str, found: Sequence[_Measured], p_corrected: float) -> Overall:
    def mean_gain(measure: int) -> Estimate:
        return Estimate(
            value=fmean(each.gain(measure) for each in found),
            interval=interval(_mean([each.gains(measure) for each in found])),
        )

    return Overall(
        proxy=name,
        epochs=fmean(each.epochs for each in found),
        num_fields=len(found),
        num_better=sum(each.gain(_SPEARMAN) > 0 for each in found),
        spearman=Estimate(
            value=fmean(float(each.points[_SPEARMAN]) for each in found),
            interval=interval(_mean([each.resamples[:, _SPEARMAN] for each in found])),
        ),
        gain=mean_gain(_SPEARMAN),
        p_corrected=p_corrected,
        recall_gain=mean_gain(_RECALL),
        regret_gain=mean_gain(_REGRET),
        harvest_gain=mean_gain(_HARVEST),
    )


def _mean(resamples: Sequence[Array]) -> Array:
    """Return the mean over fields of each resample; NaN where a field has none."""
    found: Array = np.mean(np.stack(resamples), axis=0)
    return found
