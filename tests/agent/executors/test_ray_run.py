"""A whole run on a cluster, of which a node is lost in the middle, ends as one on this machine."""

from concurrent.futures import Future
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from threading import Lock, Thread
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from deltanas_agent.config import Measurement, Replication, RunConfig
from deltanas_agent.evaluator import Evaluator
from deltanas_agent.executors import Cluster, Ended, Executor, LocalExecutor, Training
from deltanas_agent.loop import Loop
from deltanas_agent.trainers import Place, Trainers
from deltanas_mcp.cli import app
from deltanas_mcp.wiring import open_store, prepare_dataset
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.records import Kept
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from deltanas_tools.datasets import Dataset
from deltanas_tools.novelty_check import Catalogue, NoveltyIndex
from deltanas_tools.propose_delta.mutation import MutationProposer
from deltanas_tools.sandbox import Sandbox
from deltanas_tools.train_one_epoch import OnEpoch
from tests.agent.executors.patience import until

if TYPE_CHECKING:
    from tests.agent.executors.clusters import Nodes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("ray") is None, reason="the extra ray is not installed"),
]

CONFIG = RunConfig(
    cycles=2,
    candidates=3,
    measurement=Measurement(epochs=8),
    replication=Replication(seeds=1),
)


class LosesANode:
    """A cluster that loses its node ``one`` for good while both of its nodes train."""

    def __init__(self, executor: Executor, nodes: "Nodes") -> None:
        self._executor, self._nodes = executor, nodes
        self._training: set[int] = set()
        self._lock = Lock()
        self.losing: Thread | None = None

    def __len__(self) -> int:
        return len(self._executor)

    def submit(self, training: Training, on_epoch: OnEpoch = lambda _: None) -> "Future[Ended]":
        future: Future[Ended] = self._executor.submit(training, lambda epochs: told(epochs))
        future.add_done_callback(lambda _: self._training.discard(id(future)))

        def told(epochs: int) -> None:
            on_epoch(epochs)
            with self._lock:
                if 0 < epochs < 4:
                    self._training.add(id(future))
                if len(self._training) == 2 and self.losing is None:
                    self.losing = Thread(target=self._nodes.kill, args=("one",))
                    self.losing.start()

        return future

    def close(self) -> None:
        self._executor.close()


def lineage(executor: Executor, sandbox: Sandbox, digits: Dataset) -> list[tuple[object, ...]]:
    """Drive a run, and return everything that came of it."""
    store = Store(MemoryRepository())
    store.import_baseline("wide-net", baselines()["wide-net"])
    index = NoveltyIndex(Catalogue(store), CONFIG.novelty.threshold, with_parent=False)
    evaluator = Evaluator(store, sandbox, digits, index, CONFIG.measurement, executor)
    evaluators, proposers = {"digits": evaluator}, {"": MutationProposer()}
    Loop("night", CONFIG, store, evaluators, proposers, lambda event: None).drive()
    names = {entry.id: entry.name for entry in store.entries()}
    outcomes = {each.key: (each, store.outcome(each.key)) for each in store.candidates("night")}
    return sorted(
        (key.name, names[entry.parent], outcome.evaluation.accuracy, outcome.evaluation.loss)
        if isinstance(outcome, Kept)
        else (key.name, names[entry.parent], outcome.rejection.code)
        for key, (entry, outcome) in outcomes.items()
    )


def test_a_run_whose_node_is_killed_ends_as_one_on_this_machine(
    nodes: "Nodes", sandbox: Sandbox, digits: Dataset
) -> None:
    from deltanas_agent.executors.ray_executor import RayExecutor

    with closing(RayExecutor(Cluster(address=nodes.address), prepare_dataset)) as executor:
        until(lambda: len(executor) == 2)
        losing = LosesANode(executor, nodes)
        on_a_cluster = lineage(losing, sandbox, digits)
        assert losing.losing is not None
        assert len(executor) == 1
    with closing(LocalExecutor(Trainers([Place(Sandbox(), "cpu")]), lambda _: digits)) as here:
        assert on_a_cluster == lineage(here, sandbox, digits)


def test_a_run_of_the_command_line_goes_on_elsewhere(nodes: "Nodes", tmp_path: Path) -> None:
    config, store = tmp_path / "night.toml", tmp_path / "store"
    config.write_text("cycles = 1\ncandidates = 3\nbaselines = ['wide-net']\n")
    on_a_cluster = ["--executor", "ray", "--ray-address", nodes.address]
    for command in (
        ["run", str(config), "--store", str(store), *on_a_cluster],
        ["resume", "night", "--store", str(store), "--answers", "1000"],
    ):
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    with open_store(store) as opened:
        entries = opened.candidates("night")
        assert {entry.key.index for entry in entries} == {1, 2, 3}


def test_a_cluster_is_asked_for_a_kind_of_device(nodes: "Nodes", tmp_path: Path) -> None:
    config = tmp_path / "night.toml"
    config.write_text("[measurement]\ndevice = 'cuda'\n")
    command = ["run", str(config), "--store", str(tmp_path / "store"), "--executor", "ray"]
    result = CliRunner().invoke(app, [*command, "--devices", "cuda:0"])
    assert result.exit_code == 1
    assert "cpu or cuda" in result.stderr
