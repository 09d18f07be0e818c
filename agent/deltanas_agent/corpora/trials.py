"""Which of two networks is better, by what LEMUR reports of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from deltanas_repo_store.reported import ReportedTrial

EPOCHS = 1
"""What is compared: the accuracy after the first epoch, which nearly all networks have."""

Level = Literal["alike", "same-transform", "best-trials"]
LOOSENESS: Mapping[Level, float] = {"alike": 1.0, "same-transform": 4.0, "best-trials": 4.0}
"""How many times the least gain a comparison needs. One network's accuracies with one transform
and different hyper-parameters lie 0.05 to 0.10 apart (the medians of LEMUR's families)."""

_IGNORED = ("epoch", "epoch_max")
"""Not conditions of a first epoch: how far the training was to go on."""


class Comparison(NamedTuple):
    """What two networks reach under conditions that they have in common."""

    level: Level
    one: float
    other: float


@dataclass
class Measured:
    """The best accuracies of one network on one data set, by what is held equal."""

    best: dict[Level, dict[object, float]] = field(default_factory=dict)

    def add(self, trial: ReportedTrial) -> None:
        """Take a trial into account."""
        settings = frozenset(
            (name, value) for name, value in trial.hparams.items() if name not in _IGNORED
        )
        keys: dict[Level, object] = {
            "alike": (trial.transform, settings),
            "same-transform": trial.transform,
            "best-trials": None,
        }
        for level, key in keys.items():
            of_level = self.best.setdefault(level, {})
            of_level[key] = max(of_level.get(key, 0.0), trial.accuracy)


def measured(trials: Iterable[ReportedTrial]) -> dict[str, Measured]:
    """Return what is known of a network after one epoch, by data set."""
    found: dict[str, Measured] = {}
    for trial in trials:
        if trial.epochs == EPOCHS:
            found.setdefault(trial.dataset, Measured()).add(trial)
    return found


def compare(one: Measured, other: Measured, min_gain: float) -> Comparison | None:
    """Compare under the most equal conditions that both have; None where neither is better."""
    for level, looseness in LOOSENESS.items():
        mine, theirs = one.best[level], other.best[level]
        common = mine.keys() & theirs.keys()
        if common:
            a, b = max((mine[key] + theirs[key], mine[key], theirs[key]) for key in common)[1:]
            return Comparison(level, a, b) if abs(a - b) >= min_gain * looseness else None
    raise AssertionError("every measured network has a best trial")
