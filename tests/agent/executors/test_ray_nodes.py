"""A cluster as it comes: nodes that are lost, that come late, and that refuse."""

import os
import signal
from collections.abc import Callable, Generator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deltanas_agent.executors import Cluster, Training
from deltanas_repo_store.errors import ConfigError, SandboxError, TrainError
from tests.agent.executors.patience import until
from tests.processes_for_tests import descendants

if TYPE_CHECKING:
    from deltanas_agent.executors.ray_executor import RayExecutor
    from tests.agent.executors.clusters import Nodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]

Train = Callable[..., Training]
Connect = Callable[..., "RayExecutor"]


@pytest.fixture
def connect() -> Connect:
    from deltanas_agent.executors.ray_executor import RayExecutor
    from tests.agent.executors.clusters import prepare_and_tell

    def make(patience_seconds: float = 60.0, **cluster: Any) -> RayExecutor:
        wanted = Cluster.model_validate(cluster)
        return RayExecutor(wanted, prepare_and_tell, patience_seconds=patience_seconds)

    return make


@pytest.fixture
def empty(tmp_path: Path) -> Generator["Nodes"]:
    """A cluster without nodes."""
    from tests.agent.executors.clusters import ray_cluster

    with ray_cluster(tmp_path) as cluster:
        yield cluster


def test_what_kills_its_workers_is_to_blame_after_the_third(
    empty: "Nodes", connect: Connect, training: Train
) -> None:
    empty.add("one")

    def kill(epochs: int) -> None:
        if epochs == 1:
            for pid in empty.workers("one"):
                os.kill(pid, signal.SIGKILL)

    with closing(connect(address=empty.address)) as executor:
        deadly = executor.submit(training(epochs=1000), kill)
        harmless = executor.submit(training())
        with pytest.raises(TrainError, match="lost 3 times") as raised:
            deadly.result().trained()
        assert raised.value.code == "crash"
        assert harmless.result().trained().evaluation.epochs == 1


def test_a_node_that_comes_late_is_used_and_prepares_its_data_once(
    empty: "Nodes", connect: Connect, training: Train
) -> None:
    with closing(connect(address=empty.address, per_device=2)) as executor:
        assert len(executor) == 1
        futures = [executor.submit(training(seed=seed)) for seed in range(4)]
        empty.add("late", num_cpus=3)
        until(lambda: len(executor) == 2)
        assert {future.result().trained().evaluation.seed for future in futures} == set(range(4))
    found = (empty.caches / "late" / "found").read_text().splitlines()
    assert found == ["can be made offline", "prepared"]


def test_nothing_of_the_drivers_environment_is_on_a_node(
    empty: "Nodes", connect: Connect, training: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty.add("one")
    monkeypatch.setenv("A_SECRET_OF_THE_DRIVER", "hush")
    with closing(connect(address=empty.address)) as executor:
        executor.submit(training()).result()
    names = (empty.caches / "one" / "environment").read_text().splitlines()
    assert "DELTANAS_CACHE" in names
    assert "A_SECRET_OF_THE_DRIVER" not in names


def test_a_node_whose_sandbox_does_not_hold_trains_nothing(
    empty: "Nodes", connect: Connect, training: Train, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "pyseccomp.py").write_text(
        "ALLOW = EQ = ERRNO = MASKED_EQ = Arg = Arch = SyscallFilter = None\n"
        "def __getattr__(name):\n    raise RuntimeError('libseccomp is not here')\n"
    )
    empty.add("broken", env={"PYTHONPATH": str(broken)})
    with closing(connect(address=empty.address)) as executor:
        with pytest.raises(SandboxError, match="cannot be isolated"):
            executor.submit(training()).result()
        until(lambda: not empty.workers("broken"))
        empty.add("whole")
        assert executor.submit(training()).result().trained().evaluation.isolation != "none"
        assert not empty.workers("broken")


def test_a_cluster_without_a_place_is_given_up_after_a_while(
    empty: "Nodes", connect: Connect, training: Train
) -> None:
    empty.add("small")
    with (
        closing(connect(address=empty.address, threads=2, patience_seconds=2)) as executor,
        pytest.raises(ConfigError, match="no node with 2 CPU"),
    ):
        executor.submit(training()).result()


def test_closing_leaves_no_process_and_no_folder(
    empty: "Nodes", connect: Connect, training: Train
) -> None:
    scratch = empty.caches / "scratch"
    scratch.mkdir()
    empty.add("one", env={"TMPDIR": str(scratch)})
    with closing(connect(address=empty.address)) as executor:
        begun: list[int] = []
        executor.submit(training(epochs=100_000, train_seconds=1000), begun.append)
        until(lambda: bool(begun))
        started = set().union(*(descendants(pid) for pid in empty.workers("one")))
        assert started
    until(lambda: not empty.workers("one"))
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    assert not list(scratch.glob("deltanas-sandbox-*"))


def test_there_must_be_a_cluster(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="ray start --head"):
        connect(address="auto")


def test_the_client_protocol_is_refused(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="--ray-address auto"):
        connect(address="ray://head:10001")
