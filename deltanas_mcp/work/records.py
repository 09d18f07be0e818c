"""What the jobs are asked for: light records that the server makes and the worker reads."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import Field, ValidationError

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Name, Record, Text

JobKind = Literal["train", "propose", "search", "finetune"]

Report = Callable[[float, float | None, str], None]
"""Takes progress, what it counts up to (None: unknown), and words about it."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]


class TrainArguments(Record):
    """A candidate or an architecture to train for one epoch."""

    kind: ClassVar[JobKind] = "train"
    candidate: str
    dataset: Name
    seed: Seed
    max_seconds: Annotated[float, Field(gt=0)]
    """Wall time that the training may take."""


class ProposeArguments(Record):
    """A delta that the configured language model is to write."""

    kind: ClassVar[JobKind] = "propose"
    parent: str
    dataset: Name
    goal: Text
    seed: Seed
    model: Path
    """TOML file with the model, such as those in ``configs/models``."""


class SearchArguments(Record):
    """A run of the built-in loop, to begin or to go on with."""

    kind: ClassVar[JobKind] = "search"
    run: Name
    dataset: Name
    cycles: Annotated[int, Field(ge=1)]
    candidates: Annotated[int, Field(ge=1)]
    """Per cycle."""
    baselines: tuple[Name, ...]
    """All of the store's where empty."""
    seed: Seed
    max_minutes: Annotated[float, Field(gt=0)] | None
    """Over all sessions of the run."""
    model: Path | None
    """Random edits where None."""


class FinetuneArguments(Record):
    """An adapter to train for a run's language model."""

    kind: ClassVar[JobKind] = "finetune"
    run: Name
    num_examples: Annotated[int, Field(ge=1)]
    epochs: Annotated[int, Field(ge=1)]
    rank: Annotated[int, Field(ge=1)]
    seed: Seed
    measure_on: Name | None
    """Data set on which effective answers of the trial are trained as well."""
    model: Path | None
    """The run's own where None."""


JobArguments = TrainArguments | ProposeArguments | SearchArguments | FinetuneArguments

_Asked = TypeVar("_Asked", bound=Record)


def checked(arguments: type[_Asked], **values: object) -> _Asked:
    """Return the arguments of a job.

    Raises:
        ConfigError: one is out of its range.
    """
    try:
        return arguments.model_validate(values)
    except ValidationError as error:
        faults = (f"{each['loc'][0]}: {each['msg']}" for each in error.errors())
        raise ConfigError(f"no such job can be: {'; '.join(faults)}") from error
