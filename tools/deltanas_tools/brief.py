"""What a proposer is told: the parent, the task, and how earlier answers to it ended."""

from typing import Annotated

from pydantic import Field

from deltanas_repo_store.records import Architecture, Name, Record, Rejection


class Brief(Record):
    """One request for a delta. Everything a proposer may use is in here or in the seed."""

    parent: Architecture
    dataset: Name
    in_shape: tuple[int, int, int, int]
    """``(batch, channels, height, width)`` of the images that the network gets."""
    num_classes: Annotated[int, Field(ge=2)]
    refusals: tuple[Rejection, ...] = ()
    """Why earlier answers to this brief were refused, oldest first."""
