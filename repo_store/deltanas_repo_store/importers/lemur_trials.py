"""The trials that LEMUR publishes of its networks: one JSON file for each network, data set, epoch.

A trial is ``{accuracy, batch, duration, lr, momentum, transform, uid, ...}``; ``duration`` is in
nanoseconds since the training began, and whatever is not named here is a hyper-parameter.
"""

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from deltanas_repo_store.importers.file_trees import FileTree, TooLarge
from deltanas_repo_store.reported import Reported, ReportedTrial

FOLDER = "ab/nn/stat/train"
SOURCE = "lemur"
MAX_JSON_BYTES = 16 * 2**20
"""LEMUR's largest file of trials has 95 kB."""
PREFERRED_DATASET = "cifar-10"
"""The data set of ours that most of the trials are on."""

_FILE = re.compile(
    rf"{FOLDER}/img-classification_(?P<dataset>[^_/]+)_acc_(?P<network>[^/]+)"
    r"/(?P<epochs>[1-9][0-9]{0,8})\.json"
)
_NOT_HPARAMS = frozenset({"accuracy", "duration", "transform", "uid"})


@dataclass(frozen=True, order=True)
class StatFile:
    """Where the trials of a network on a data set, after so many epochs, are."""

    dataset: str
    epochs: int
    path: str


@dataclass
class Trials:
    """The trials of all networks: listed at once, and read network by network."""

    tree: FileTree
    package: str
    files: dict[str, list[StatFile]] = field(default_factory=dict)
    num_dropped: int = 0
    """Trials so far that were not what a trial must be; a file that is no list counts as one."""

    def __post_init__(self) -> None:
        """List the files of trials of image classification by accuracy."""
        for path in self.tree.names(FOLDER):
            if match := _FILE.fullmatch(path):
                found = StatFile(match["dataset"], int(match["epochs"]), path)
                self.files.setdefault(match["network"], []).append(found)

    def of(self, network: str) -> Reported | None:
        """Read what is reported of a network, ordered by data set, epochs, and place in the file.

        Raises:
            ConfigError: a file cannot be read or is damaged.
        """
        trials: list[dict[str, Any]] = []
        for file in sorted(self.files.get(network, ())):
            trials += self._read(file)
        head = {"source": SOURCE, "package": self.package, "network": network}
        return self._validated(head, trials) if trials else None

    def _read(self, file: StatFile) -> list[dict[str, Any]]:
        try:
            found = json.loads(self.tree.read(file.path, MAX_JSON_BYTES))
        except (TooLarge, ValueError, RecursionError):
            found = None
        if not isinstance(found, list):
            self.num_dropped += 1
            return []
        trials = [as_trial(file.dataset, file.epochs, each) for each in found]
        self.num_dropped += trials.count(None)
        return [trial for trial in trials if trial is not None]

    def _validated(self, head: dict[str, str], trials: Sequence[dict[str, Any]]) -> Reported | None:
        try:
            # All at once: a call for each of 449,672 trials would double the time.
            return Reported.model_validate({**head, "trials": tuple(trials)}, strict=True)
        except ValidationError:
            good = [trial for trial in trials if _is_valid(trial)]
        self.num_dropped += len(trials) - len(good)
        return (
            Reported.model_validate({**head, "trials": tuple(good)}, strict=True) if good else None
        )


def as_trial(dataset: str, epochs: int, found: object) -> dict[str, Any] | None:
    """Return the fields of a `ReportedTrial`, not validated yet; None where that cannot be."""
    if not isinstance(found, dict):
        return None
    duration = found.get("duration")
    if not isinstance(duration, int | float) or isinstance(duration, bool):
        return None
    if not math.isfinite(duration) if isinstance(duration, float) else abs(duration) >= 2**63:
        return None
    return {
        "dataset": dataset,
        "epochs": epochs,
        "transform": found.get("transform"),
        "accuracy": found.get("accuracy"),
        "seconds": duration / 1e9,
        "hparams": {name: value for name, value in found.items() if name not in _NOT_HPARAMS},
        "id": found.get("uid"),
    }


def best_trial(reports: Iterable[Reported]) -> ReportedTrial | None:
    """Return the trial of the highest accuracy, of those on CIFAR-10 where there is one."""
    trials = [trial for report in reports for trial in report.trials]
    preferred = [trial for trial in trials if trial.dataset == PREFERRED_DATASET]
    return max(preferred or trials, key=lambda trial: trial.accuracy, default=None)


def _is_valid(trial: dict[str, Any]) -> bool:
    try:
        ReportedTrial.model_validate(trial, strict=True)
    except ValidationError:
        return False
    return True
