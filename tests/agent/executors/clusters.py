"""A Ray cluster of processes on this machine: a head that trains nothing, and nodes that do."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

from deltanas_mcp.folders import cache_folder
from deltanas_mcp.wiring import prepare_dataset
from deltanas_tools.datasets import Dataset, availability
from tests.processes_for_tests import descendants

QUICK = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
"""A dead node is noticed in seconds, as no busy network has to be waited for."""
SMALL = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


class Nodes:
    """The nodes of a cluster: each with a cache of its own, and room for one training."""

    def __init__(self, cluster: Cluster, caches: Path) -> None:
        self._cluster = cluster
        self.caches = caches
        self.address: str = cluster.address
        self._nodes: dict[str, Any] = {}

    def add(self, name: str, *, num_cpus: int = 1, env: dict[str, str] | None = None) -> None:
        """Let a node come; wait until the cluster has it."""
        env = {"DELTANAS_CACHE": str(self.caches / name), **(env or {})}
        self._nodes[name] = self._cluster.add_node(num_cpus=num_cpus, env_vars=env, **SMALL)

    def kill(self, name: str) -> None:
        """Kill all processes of a node with SIGKILL."""
        self._cluster.remove_node(self._nodes.pop(name), allow_graceful=False)

    def workers(self, name: str) -> set[int]:
        """Return the processes of a node that train."""
        [raylet] = self._nodes[name].all_processes["raylet"]
        below = descendants(raylet.process.pid)
        return {pid for pid in below if b"ray::Worker" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@contextmanager
def ray_cluster(folder: Path, *names: str) -> Generator[Nodes]:
    """Run a cluster with nodes of these names while the block runs."""
    head = {"num_cpus": 0, "_system_config": QUICK, **SMALL}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = Nodes(cluster, folder)
        for name in names:
            nodes.add(name)
        yield nodes
    finally:
        cluster.shutdown()


def prepare_and_tell(name: str) -> Dataset:
    """Prepare a data set as a node does, and leave word of what was found there beside it."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "found").open("a") as found:
        found.write(f"{availability(name, cache)}\n")
    (cache / "environment").write_text("\n".join(sorted(os.environ)))
    return prepare_dataset(name)
