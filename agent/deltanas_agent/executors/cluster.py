"""Which cluster, and what a place on one of its nodes is."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from deltanas_repo_store.records import Record


class Cluster(Record):
    """A Ray cluster, and how it is used. It decides where a run trains, never what comes of it."""

    address: str = "auto"
    """``auto`` is the one that this machine belongs to."""
    device: Literal["cpu", "cuda"] = "cpu"
    """A place is a share of a GPU, or of a node's CPU."""
    per_device: Annotated[int, Field(ge=1)] = 1
    """Places on each GPU, or on each node where nothing trains on GPUs."""
    threads: Annotated[int, Field(ge=1)] = 1
    """CPUs that a place keeps for itself."""

    @property
    def resources(self) -> dict[str, float]:
        """What a place takes, in Ray's words."""
        gpu = {"GPU": 1.0 / self.per_device} if self.device == "cuda" else {}
        return {"CPU": float(self.threads), **gpu}

    def num_places(self, resources: Mapping[str, float]) -> int:
        """Return how many places a node with these resources has."""
        num_devices = int(resources.get("GPU", 0)) if self.device == "cuda" else 1
        room = int(resources.get("CPU", 0)) // self.threads
        return min(num_devices * self.per_device, room)
