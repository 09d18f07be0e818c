"""What is known of an adapter, and of a run's use of it: values, without a store."""

import re
from typing import Annotated, NewType

from pydantic import Field, StringConstraints, model_validator

from deltanas_repo_store.records import Fraction, Name, Record, Text

AdapterId = NewType("AdapterId", str)
"""Id of the commit that holds an adapter: 40 hexadecimal digits."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8,64}$")]
Words = Annotated[Text, StringConstraints(pattern=r"[A-Za-z0-9]", max_length=1000)]
_Id = Annotated[AdapterId, StringConstraints(pattern=r"^[0-9a-f]{40}$")]
MAX_ATTEMPTS = 99
"""Adapters of one cycle; with a third digit their names would be those of candidates."""


class AdapterKey(Record):
    """Which adapter of a run this is. Its name is the last component of its ref."""

    run: Name
    cycle: Annotated[int, Field(ge=1)]
    attempt: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS)] = 1
    """1 for the first adapter of the cycle; 2 and up for further ones."""

    @property
    def name(self) -> str:
        """``c03`` for the first adapter of the third cycle, ``c03-2`` for the second."""
        return f"c{self.cycle:02d}" + (f"-{self.attempt}" if self.attempt > 1 else "")

    @classmethod
    def parse(cls, run: str, name: str) -> "AdapterKey":
        """Read a name back.

        Raises:
            ValueError: the name has another form.
        """
        match = re.fullmatch(r"c(\d{2,})(?:-(\d{1,2}))?", name)
        if match is not None:
            key = cls(run=run, cycle=int(match[1]), attempt=int(match[2] or 1))
            if key.name == name:
                return key
        raise ValueError(f"{name!r} is not an adapter's name such as c01 or c01-2")


class AdapterTrial(Record):
    """How a model did on the held-out briefs, with an adapter or without one."""

    briefs: Digest
    """Of the held-out briefs: only trials on the same ones are compared."""
    num_answers: Annotated[int, Field(ge=1)]
    num_effective: Annotated[int, Field(ge=0)]
    """Answers that apply, build, and compute something else than their parent."""
    mean_improvement: float
    """Mean gain in accuracy over the parent, of the answers that were trained; 0 where none was."""

    @model_validator(mode="after")
    def _no_more_than_all(self) -> "AdapterTrial":
        if self.num_effective > self.num_answers:
            raise ValueError(f"{self.num_effective} of {self.num_answers} answers are too many")
        return self

    @property
    def effective(self) -> Fraction:
        """The share of effective answers."""
        return self.num_effective / self.num_answers


class AdapterRecord(Record):
    """What is kept of an adapter beside its files; its manifest says everything else."""

    base_model: Words
    """The model whose weights it changes: a hub id, a packaged name, or a file."""
    tuned_from: _Id | None
    """The adapter whose training it continues; None for one that began with the model itself."""
    corpus: Digest
    """Of the examples that it was trained on."""
    num_examples: Annotated[int, Field(ge=1)]
    loss: Annotated[float, Field(ge=0.0)]
    """Mean cross-entropy of the completions' tokens at the end of training, in nats."""
    trial: AdapterTrial
    previous: _Id | None
    """What it was compared with: the adapter in use; None for the untuned model."""
    previous_trial: AdapterTrial
    promoted: bool
    """Whether it was found better. Which adapter a run uses now, its promotions say."""
    verdict: Words
    """Why, in one line."""

    @model_validator(mode="after")
    def _on_the_same_briefs(self) -> "AdapterRecord":
        if self.trial.briefs != self.previous_trial.briefs:
            raise ValueError("the two trials were not on the same held-out briefs")
        return self


class AdapterEntry(Record):
    """An adapter of the store, read from its commit message alone."""

    id: _Id
    key: AdapterKey
    made: int
    """When it was committed, in seconds since 1970 (UTC)."""
    subject: str
    """First line of the commit message."""
    record: AdapterRecord

    @property
    def name(self) -> str:
        """Run and adapter, as in the ref's name."""
        return f"{self.key.run}/{self.key.name}"


class Promotion(Record):
    """From when on a run uses which adapter. The last of a run counts."""

    adapter: _Id | None
    """None for the untuned model."""
    beneath: tuple[_Id, ...]
    """What going back leads to, the last first; after them, the untuned model."""
    made: int
    """When, in seconds since 1970 (UTC)."""
    reason: Text


def promotion_name(number: int) -> str:
    """Return the last component of a promotion's ref: ``p001`` for a run's first."""
    return f"p{number:03d}"


def promotion_number(name: str) -> int:
    """Read a name back.

    Raises:
        ValueError: the name has another form.
    """
    number = int(name[1:]) if re.fullmatch(r"p\d{3,9}", name) else 0
    if number == 0 or promotion_name(number) != name:
        raise ValueError(f"{name!r} is not a promotion's name such as p001")
    return number
