"""What a store knows of networks that were trained for long: the early epochs and the last one.

Data sets are never mixed: accuracies on one, on one split, form a `Field`, and nothing is compared
across fields.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from pydantic import ValidationError

from deltanas_repo_store.contents import files_of
from deltanas_repo_store.errors import StoreCorrupt
from deltanas_repo_store.layout import REPORTED_FILE, record_ref
from deltanas_repo_store.queries import OURS, Standing, Wanted, ancestors, leaderboard
from deltanas_repo_store.records import Evaluation, HParams, Name
from deltanas_repo_store.reported import Reported, ReportedTrial
from deltanas_repo_store.store import Store
from deltanas_tools.finetune_lora.corpus import family_of

Progress = Callable[[str, int, int], None]
"""Called with what is under way, how many are done, and of how many."""

EVERYTHING = 10**9
"""More standings than a store has."""
_NOT_CONDITIONS = ("epoch", "epoch_max")
"""How far a training was to go on says nothing of how it began."""


@dataclass(frozen=True)
class Training:
    """One training: its accuracies by the number of epochs, and its learning rate if known."""

    accuracies: Mapping[int, float]
    learning_rate: float | None = None


@dataclass(frozen=True)
class Network:
    """A network and its trainings under one field's conditions."""

    name: str
    family: str
    """What it has in common with its relatives: those of a family are no independent evidence."""
    trainings: tuple[Training, ...]
    num_params: int | None = None

    def reaches(self, epochs: int) -> bool:
        """Say whether one of its trainings had an accuracy after so many epochs."""
        return any(epochs in each.accuracies for each in self.trainings)


@dataclass(frozen=True)
class Field:
    """The networks that were measured on one data set, in the order of their names."""

    name: str
    networks: tuple[Network, ...]


class _Conditions(NamedTuple):
    """What has to be the same for two accuracies to be compared."""

    dataset: str
    name: str
    digest: str = ""


class _Point(NamedTuple):
    """An accuracy, and which training it is of."""

    training: object
    epochs: int
    accuracy: float
    learning_rate: float | None


def read_fields(
    store: Store,
    source: Name,
    *,
    long: int,
    dataset: Name | None = None,
    progress: Progress = lambda what, done, total: None,
) -> tuple[Field, ...]:
    """Read the networks that have a training of ``long`` epochs, with all their trainings.

    Args:
        store: The store.
        source: ``lemur`` or another publisher, or `OURS`.
        long: Epochs of a long training.
        dataset: Only this one.
        progress: Called network by network.

    Raises:
        StoreCorrupt: a record cannot be read.
    """
    wanted = Wanted(source=source, epochs=long, dataset=dataset, limit=EVERYTHING)
    standings = {each.id: each for each in leaderboard(store, wanted)}
    networks: dict[_Conditions, list[Network]] = {}
    for done, standing in enumerate(standings.values()):
        progress("read", done, len(standings))
        read = _measured_here(store, standing) if source == OURS else _reported(store, standing)
        for conditions, network in read:
            if dataset in (None, conditions.dataset) and network.reaches(long):
                networks.setdefault(conditions, []).append(network)
    progress("read", len(standings), len(standings))
    return tuple(
        Field(conditions.name, tuple(sorted(found, key=lambda network: network.name)))
        for conditions, found in sorted(networks.items())
    )


def _reported(store: Store, standing: Standing) -> Iterator[tuple[_Conditions, Network]]:
    found: dict[str, list[_Point]] = {}
    for report in _reports(store, standing):
        for trial in report.trials:
            found.setdefault(trial.dataset, []).append(
                _Point(
                    _training_of(report, trial),
                    trial.epochs,
                    trial.accuracy,
                    _learning_rate(trial.hparams),
                )
            )
    for dataset, points in found.items():
        yield (
            _Conditions(dataset, dataset),
            Network(standing.name, family_of(standing.name), _joined(points), standing.num_params),
        )


def _reports(store: Store, standing: Standing) -> Iterator[Reported]:
    entry = store.entry(standing.id)
    if entry is None or entry.status == "rejected":
        return
    record = store.repository.ref(record_ref(entry))
    for name, blob in files_of(store.repository, record).items() if record else ():
        if name.startswith(f"{REPORTED_FILE}{standing.source}-"):
            try:
                yield Reported.model_validate_json(store.repository.read(blob).data)
            except ValidationError as error:
                raise StoreCorrupt(f"{name} of {standing.name} is no report: {error}") from error


def _training_of(report: Reported, trial: ReportedTrial) -> object:
    """Return what the accuracies of one training have in common."""
    settings = {name: each for name, each in trial.hparams.items() if name not in _NOT_CONDITIONS}
    return report.network, trial.id, trial.transform, frozenset(settings.items())


def _measured_here(store: Store, standing: Standing) -> Iterator[tuple[_Conditions, Network]]:
    found: dict[_Conditions, list[Evaluation]] = {}
    for evaluation in store.evaluations(standing.id):
        if evaluation.budget_seconds is None:
            found.setdefault(_conditions(evaluation), []).append(evaluation)
    rate = _learning_rate(store.get(standing.id).hparams)
    family = ancestors(store, standing.id)[0].name
    for conditions, evaluations in found.items():
        points = [
            _Point(each.seed, epochs, accuracy, rate)
            for each in evaluations
            for epochs, accuracy in _curve(each)
        ]
        yield (
            conditions,
            Network(standing.name, family, _joined(points), evaluations[0].num_params),
        )


def _conditions(evaluation: Evaluation) -> _Conditions:
    """Return the task, but for its number of epochs."""
    split = f"-{evaluation.split}"
    name = evaluation.task.replace(f"{split}-e{evaluation.epochs}", split, 1)
    return _Conditions(evaluation.dataset, name, evaluation.dataset_digest)


def _curve(evaluation: Evaluation) -> Iterator[tuple[int, float]]:
    yield evaluation.epochs, evaluation.accuracy
    for point in evaluation.curve:
        if point.epoch < evaluation.epochs:
            yield point.epoch, point.accuracy


def _joined(points: Iterable[_Point]) -> tuple[Training, ...]:
    """Join what belongs to one training; of what was measured twice, the mean counts."""
    curves: dict[object, dict[int, list[float]]] = {}
    rates: dict[object, float | None] = {}
    for point in points:
        curves.setdefault(point.training, {}).setdefault(point.epochs, []).append(point.accuracy)
        rates[point.training] = point.learning_rate
    return tuple(
        Training({epochs: fmean(each) for epochs, each in curve.items()}, rates[key])
        for key, curve in curves.items()
    )


def _learning_rate(hparams: HParams) -> float | None:
    rate = hparams.get("lr")
    return float(rate) if isinstance(rate, int | float) and rate > 0 else None
