"""What a proposer is told: the parent, the task, and how earlier answers to it ended."""

from typing import Annotated

from pydantic import Field

from deltanas_repo_store.records import Architecture, Fraction, Name, Record, Rejection, Text


class Brief(Record):
    """One request for a delta. Everything a proposer may use is in here or in the seed."""

    parent: Architecture
    dataset: Name
    in_shape: tuple[int, int, int, int]
    """``(batch, channels, height, width)`` of the images that the network gets."""
    num_classes: Annotated[int, Field(ge=2)]
    epochs: Annotated[int, Field(ge=1)] = 1
    """How long a candidate is trained before it is scored."""
    parent_accuracy: Fraction | None = None
    """The parent's, under the same conditions, where it is known."""
    frozen_parts: bool = True
    """Whether `train_setup`, `learn` and `supported_hyperparameters` must stay as they are."""
    goal: Text = ""
    """What is wanted besides accuracy, in somebody's words."""
    siblings: tuple[Text, ...] = ()
    """What was tried on this parent before and how it ended, a line each, the latest last."""
    refusals: tuple[Rejection, ...] = ()
    """Why earlier answers to this brief were refused, oldest first."""
    refused_answer: Text = ""
    """The answer that the last refusal is about."""
