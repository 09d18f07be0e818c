"""Watching a run from another shell."""

import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner

from deltanas_agent.config import RunConfig
from deltanas_mcp.cli import app
from deltanas_mcp.wiring import begin_search, open_store
from tests.records_for_tests import kept, pending

ROOT = Path(__file__).parents[2]
CONFIG = RunConfig(cycles=1, candidates=1)


def test_a_run_that_nobody_has_worked_on_is_at_its_beginning(store_path: Path) -> None:
    with open_store(store_path) as store:
        begin_search(store, "night", CONFIG)
    result = CliRunner().invoke(app, ["watch", "night", "--once", "--store", str(store_path)])
    assert result.exit_code == 0, result.output
    assert "night: cycle 0 of 1, 0 of 1 candidates begun" in result.stdout


def test_an_unknown_run_is_named(store_path: Path) -> None:
    result = CliRunner().invoke(app, ["watch", "day", "--store", str(store_path)])
    assert result.exit_code == 1
    assert "no run 'day'" in result.stderr


def test_what_ends_elsewhere_is_shown_and_the_end_of_the_run_ends_the_watching(
    store_path: Path,
) -> None:
    with open_store(store_path) as store:
        begin_search(store, "night", CONFIG)
        command = [sys.executable, "-u", "-c", "from deltanas_mcp.cli import main; main()"]
        with subprocess.Popen(
            [*command, "watch", "night", "--store", str(store_path)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as watching:
            assert watching.stdout is not None
            assert "cycle 0" in watching.stdout.readline()
            begun = pending(store.resolve("plain-cnn"))
            store.reserve(begun)
            store.finish(kept(begun))
            shown, _ = watching.communicate(timeout=60)
    assert watching.returncode == 0
    assert begun.key.name in shown
    assert "1 kept" in shown
