"""One place on a node of a Ray cluster, as the driver sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from deltanas_agent.executors.cluster import Cluster
from deltanas_agent.executors.line import Waiting
from deltanas_agent.executors.port import Ended
from deltanas_agent.executors.ray_worker import Answer, Refusal, Worker
from deltanas_repo_store.records import Name
from deltanas_tools.datasets import Dataset


@dataclass(eq=False)
class RayPlace:
    """A worker of our own on one node. Ray's errors mean that it is lost."""

    node: str
    """Ray's id of the node."""
    host: str
    """Its name, for people."""
    worker: Any
    """Ray's handle of the `Worker`."""
    is_up: bool = False
    is_busy: bool = False
    is_gone: bool = False
    _made_ready: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    def start(
        cls, node: Mapping[str, Any], cluster: Cluster, prepare: Callable[[Name], Dataset]
    ) -> "RayPlace":
        """Ask for a worker on a node; it is up when it answers."""
        resources = cluster.resources
        options = {
            "num_cpus": resources["CPU"],
            "num_gpus": resources.get("GPU", 0.0),
            "max_restarts": 0,  # a new place is begun instead: with a data set and a sandbox anew
            "max_concurrency": 2,  # so that it can be closed while it trains
            "scheduling_strategy": NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        }
        worker = ray.remote(Worker).options(**options).remote(cluster.device, prepare)
        return cls(node["NodeID"], node["NodeManagerHostname"], worker)

    def wait_until_up(self) -> None:
        """Return when the worker answers; other work on the node may keep it waiting."""
        ray.get(self.worker.ready.remote())
        self.is_up = True

    def refuse(self, waiting: Waiting, versions: Mapping[str, str]) -> Refusal | None:
        """Make the place ready for a training; return why it cannot be."""
        wanted = waiting.training
        key = (wanted.dataset_digest, wanted.measurement.sandbox)
        if key in self._made_ready:
            return None
        refusal = ray.get(self.worker.refuse.remote(wanted.model_dump_json(), dict(versions)))
        if refusal:
            return Refusal.model_validate_json(refusal)
        self._made_ready.add(key)
        return None

    def train(self, waiting: Waiting) -> Ended | Refusal:
        """Train, and pass on how many epochs have ended."""
        text = waiting.training.model_dump_json()
        answer = ""
        for each in self.worker.train.options(num_returns="streaming").remote(text):
            told = ray.get(each)
            if isinstance(told, str):
                answer = told
            else:
                waiting.on_epoch(told)
        return Answer.validate_json(answer)

    def kill(self) -> None:
        """End the worker's process at once, and what it trains with it."""
        self.is_gone = True
        ray.kill(self.worker)
