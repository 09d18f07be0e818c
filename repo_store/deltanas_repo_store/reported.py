"""What others have published of a network: as data, with its source, and never as ours."""

from typing import Annotated

from pydantic import Field, StringConstraints

from deltanas_repo_store.records import (
    NAME_PATTERN,
    Architecture,
    Fraction,
    HParams,
    Name,
    Record,
    Text,
)

TransformName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=128)]
"""LEMUR's longest name of a transform has 66 characters, more than a `Name` may have."""


class ReportedTrial(Record):
    """One training, as its publisher tells of it."""

    dataset: Name
    epochs: Annotated[int, Field(ge=1)]
    transform: TransformName
    accuracy: Fraction
    seconds: Annotated[float, Field(ge=0.0)]
    """Wall time since the training began, earlier epochs included."""
    hparams: HParams
    id: Annotated[Text, Field(max_length=128)]
    """The publisher's id of the trial."""


class Reported(Record):
    """Accuracies that somebody else published, under their conditions.

    LEMUR's are the best trials, chosen on the test split, without seeds. They are never compared
    with ours.
    """

    source: Name
    package: str
    """What it was read from, with its version."""
    network: Name
    """The network's name there."""
    trials: tuple[ReportedTrial, ...]

    def best(self) -> tuple[ReportedTrial, ...]:
        """Return the best trial of each data set and number of epochs, in their order."""
        best: dict[tuple[str, int], ReportedTrial] = {}
        for trial in self.trials:
            place = (trial.dataset, trial.epochs)
            if place not in best or trial.accuracy > best[place].accuracy:
                best[place] = trial
        return tuple(best[place] for place in sorted(best))


class NewBaseline(Record):
    """A network to be imported."""

    name: Name
    architecture: Architecture
    aliases: tuple[Name, ...] = ()
    """Other names of the same network."""
    reported: tuple[Reported, ...] = ()


class Skipped(Record):
    """A network that cannot be imported, and why."""

    name: Text
    """The network's name, or the path of its file."""
    reason: Text
