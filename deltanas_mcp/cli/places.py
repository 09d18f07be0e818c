"""Options that say where a run trains. They are no part of it: it can go on elsewhere."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from deltanas_agent.config import Measurement
    from deltanas_agent.executors import Cluster


class Where(StrEnum):
    """What trains."""

    LOCAL = "local"
    RAY = "ray"


ExecutorOption = Annotated[
    Where,
    typer.Option(help="local: this machine's devices; ray: the nodes of a Ray cluster."),
]
RayAddressOption = Annotated[
    str, typer.Option(help="Which Ray cluster; auto: the one that this machine belongs to.")
]


@dataclass(frozen=True)
class Places:
    """What was asked for."""

    devices: str
    per_device: int
    executor: Where
    ray_address: str

    def of(self, measurement: "Measurement") -> "tuple[str, ...] | Cluster":
        """Return where a run with these conditions trains.

        Raises:
            ConfigError: a device is none, or of another kind than the run's.
        """
        from deltanas_mcp.settings import parse_cluster, parse_devices

        if self.executor is Where.LOCAL:
            return parse_devices(self.devices, self.per_device, measurement)
        return parse_cluster(self.ray_address, self.devices, self.per_device, measurement)
