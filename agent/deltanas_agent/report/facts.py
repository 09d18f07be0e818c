"""What a report is made of, read from the store once and frozen."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import fmean
from typing import Any

from deltanas_repo_store.entries import BaselineEntry, KeptEntry, RejectedEntry
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.queries import measured_baselines
from deltanas_repo_store.records import ArchitectureId, Evaluation, Kept, Record, Rejected
from deltanas_repo_store.store import Store

Task = tuple[str, str]
"""What was measured and how, and the digest of the data set: accuracies of one can be compared."""


def task_of(evaluation: Evaluation) -> Task:
    """Return the task of a measurement."""
    return evaluation.task, evaluation.dataset_digest


class Trained(Record):
    """A candidate that was trained and kept."""

    entry: KeptEntry
    outcome: Kept
    evaluations: tuple[Evaluation, ...]
    """Everything that it was measured at, the first measurement included."""

    @property
    def task(self) -> Task:
        """What its first measurement was."""
        return task_of(self.outcome.evaluation)

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Its accuracies on that task, one for each seed."""
        return accuracies(self.evaluations, self.task)

    @property
    def mean(self) -> float:
        """Its mean accuracy over seeds."""
        return fmean(self.accuracies)


class Refused(Record):
    """An answer that a gate closed on."""

    entry: RejectedEntry
    outcome: Rejected


Ended = Trained | Refused


class Baseline(Record):
    """A baseline, and what it was measured at on the data set of a run."""

    id: ArchitectureId
    name: str
    evaluations: tuple[Evaluation, ...]


class RunFacts(Record):
    """One run."""

    name: str
    config: dict[str, Any]
    """As it was kept when the run was begun."""
    ended: tuple[Ended, ...]
    """In the order in which they ended."""
    num_pending: int
    baselines: tuple[Baseline, ...]
    """Those that were measured on its data sets."""

    @property
    def trained(self) -> tuple[Trained, ...]:
        """Return the candidates that were trained and kept."""
        return tuple(each for each in self.ended if isinstance(each, Trained))


class Facts(Record):
    """All that a report says."""

    runs: tuple[RunFacts, ...]
    names: dict[ArchitectureId, str]
    """Of parents that are no candidates of these runs."""
    read_at: datetime
    version: str
    top: int
    """How many of a run's best the final results are about."""


def accuracies(evaluations: Iterable[Evaluation], task: Task) -> tuple[float, ...]:
    """Return the accuracies on one task, one for each seed."""
    return tuple(each.accuracy for each in evaluations if task_of(each) == task)


def read_facts(
    store: Store, runs: Sequence[str], *, read_at: datetime, version: str, top: int
) -> Facts:
    """Read all that a report about these runs says.

    Raises:
        ConfigError: a run is not in the store, or none is named, or one twice.
    """
    if not runs or len(set(runs)) < len(runs):
        raise ConfigError("name each run of a report once; at least one")
    configs = {run: store.run_config(run) for run in runs}
    found = tuple(_read_run(store, run, config) for run, config in configs.items())
    ids = {each.entry.id for run in found for each in run.ended}
    parents = {each.entry.parent for run in found for each in run.ended} - ids
    return Facts(
        runs=found,
        names={each: _name(store, each) for each in sorted(parents)},
        read_at=read_at,
        version=version,
        top=top,
    )


def _read_run(store: Store, run: str, config: dict[str, Any]) -> RunFacts:
    entries = sorted(
        store.candidates(run),
        key=lambda each: (each.made, each.key.cycle, each.key.index, each.key.attempt),
    )
    ended = tuple(_read_ended(store, each) for each in entries)
    datasets = {each.dataset for each in entries if isinstance(each, KeptEntry)}
    return RunFacts(
        name=run,
        config=config,
        ended=ended,
        num_pending=len(store.pending(run)),
        baselines=tuple(_read_baselines(store, sorted(datasets))),
    )


def _read_ended(store: Store, entry: KeptEntry | RejectedEntry) -> Ended:
    outcome = store.outcome(entry.key)
    if isinstance(entry, KeptEntry) and isinstance(outcome, Kept):
        return Trained(entry=entry, outcome=outcome, evaluations=store.evaluations(entry.id))
    return Refused.model_validate({"entry": entry, "outcome": outcome})


def _read_baselines(store: Store, datasets: Sequence[str]) -> Iterable[Baseline]:
    for dataset in datasets:
        for each in measured_baselines(store, dataset):
            measured = [found for found in store.evaluations(each) if found.dataset == dataset]
            yield Baseline(id=each, name=_name(store, each), evaluations=tuple(measured))


def _name(store: Store, architecture_id: ArchitectureId) -> str:
    entry = store.entry(architecture_id)
    if entry is None:
        return architecture_id[:10]
    return entry.name if isinstance(entry, BaselineEntry | KeptEntry) else f"{entry.name} (refused)"
