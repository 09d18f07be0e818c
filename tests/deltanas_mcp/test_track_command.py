"""Tracking a run with the trackers' own packages: what they then have is read back with them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from typer.testing import CliRunner, Result

from deltanas_agent.config import RunConfig
from deltanas_mcp.cli import app
from deltanas_mcp.wiring import begin_search, open_store
from tests.records_for_tests import kept, pending, rejected

Tracked = Callable[[], list[tuple[int, float]]]


def finish(store_path: Path, index: int) -> None:
    """End a candidate: those with an even index are kept."""
    with open_store(store_path) as store:
        begun = pending(store.resolve("plain-cnn"), index=index)
        store.reserve(begun)
        store.finish(rejected(begun) if index % 2 else kept(begun, accuracy=index / 10))


@pytest.fixture
def run(store_path: Path) -> str:
    with open_store(store_path) as store:
        begin_search(store, "night", RunConfig(cycles=1, candidates=9))
    for index in (1, 2):
        finish(store_path, index)
    return "night"


@pytest.fixture
def trackers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, Tracked]]:
    """What the command is told for each tracker, and what that has of the series ``accuracy``."""
    # Servers are what it is for; a folder does for a test.
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    folder, uri = tmp_path / "events", (tmp_path / "mlflow").as_uri()

    def events() -> list[tuple[int, float]]:
        there = EventAccumulator(str(folder / "night"), {"tensors": 0})
        there.Reload()
        return [
            (e.step, round(float(e.tensor_proto.float_val[0]), 6))
            for e in there.Tensors("accuracy")
        ]

    def metrics() -> list[tuple[int, float]]:
        client = MlflowClient(tracking_uri=uri)
        experiment = client.get_experiment_by_name("deltanas")
        assert experiment is not None
        [found] = client.search_runs([experiment.experiment_id])
        history = client.get_metric_history(found.info.run_id, "accuracy")
        return [(each.step, each.value) for each in history]

    return {"--tensorboard": (str(folder), events), "--mlflow": (uri, metrics)}


def track(store_path: Path, run: str, *options: str) -> Result:
    return CliRunner().invoke(app, ["track", run, "--store", str(store_path), *options])


@pytest.mark.parametrize("tracker", ["--tensorboard", "--mlflow"])
def test_what_was_written_is_not_written_again_and_what_ends_later_is_added(
    store_path: Path, run: str, trackers: dict[str, tuple[str, Tracked]], tracker: str
) -> None:
    where, tracked = trackers[tracker]
    first = track(store_path, run, tracker, where)
    assert first.exit_code == 0, first.output
    assert "2 answers written" in first.stderr
    assert tracked() == [(2, 0.2)]
    assert "0 answers written" in track(store_path, run, tracker, where).stderr
    finish(store_path, 4)
    assert "1 answers written" in track(store_path, run, tracker, where).stderr
    assert tracked() == [(2, 0.2), (3, 0.4)]


def test_a_folder_with_the_events_of_another_run_is_refused(
    store_path: Path, run: str, tmp_path: Path
) -> None:
    folder = tmp_path / "events" / run
    folder.mkdir(parents=True)
    (folder / "deltanas.json").write_text('{"run": "another", "points": 3}')
    result = track(store_path, run, "--tensorboard", str(folder.parent))
    assert result.exit_code == 1
    assert "another run" in result.stderr


def test_a_server_that_is_not_there_is_told(store_path: Path, run: str) -> None:
    result = track(store_path, run, "--mlflow", "nonsense://x")
    assert result.exit_code == 1
    assert "MLflow" in result.stderr


def test_a_tracker_has_to_be_named(store_path: Path, run: str) -> None:
    assert "say where to" in track(store_path, run).output
