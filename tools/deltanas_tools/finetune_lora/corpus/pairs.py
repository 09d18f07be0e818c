"""Pairs: a parent and a child that computes something else, and where they come from."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from deltanas_repo_store.records import Architecture, Fraction, Name, Record, Source, Text

PairSource = Literal["store", "lemur", "mutation"]
"""Who made the child: a search of this store, LEMUR's authors, or chance."""
Compared = Literal["alike", "same-transform", "best-trials", "not"]
"""Under what the accuracies were measured: the same conditions; the same transform, each network
with its best other hyper-parameters; each with its best trial of all; not at all."""
InputText = Annotated[str, Field(pattern=r"^\d+x\d+x\d+-\d+$")]
"""Channels, height, width and classes, such as ``3x32x32-10``."""


class Pair(Record):
    """A delta to learn from, as the two sources that it lies between."""

    source: PairSource
    parent: Architecture
    child: Source
    """The child's source; its hyper-parameters are the parent's."""
    dataset: Name
    """The data set of the accuracies; without any, one with images of this size."""
    input: InputText
    """The size at which both were built."""
    epochs: Annotated[int, Field(ge=1)] = 1
    compared: Compared = "not"
    parent_accuracy: Fraction | None = None
    child_accuracy: Fraction | None = None
    """Both where they were compared, or neither."""
    parent_name: Text
    """As the store names it: ``plain-cnn``, ``quickstart/c01-003``."""
    child_name: Text = ""
    """Empty for a mutation, which is in no store."""
    family: Name
    """Networks of one kind: what `families.family_of` makes of the root's name."""
    root: Name
    """The baseline that the parent descends from."""
    summary: Text = ""
    """What the delta changes, in words, where that is known."""
    held_out: bool = False
    """Whether it is of a held-out network's lineage: for measuring, never for training."""

    @model_validator(mode="after")
    def _has_both_accuracies_or_none(self) -> Self:
        known = [each is not None for each in (self.parent_accuracy, self.child_accuracy)]
        if known != [self.compared != "not"] * 2:
            raise ValueError(f"compared is {self.compared!r}, and the accuracies say otherwise")
        return self

    @property
    def gain(self) -> float | None:
        """The child's accuracy minus the parent's, where they were compared."""
        if self.parent_accuracy is None or self.child_accuracy is None:
            return None
        return self.child_accuracy - self.parent_accuracy


class Network(Record):
    """A network, and a size that it builds at."""

    name: Name
    family: Name
    architecture: Architecture
    dataset: Name
    input: InputText
