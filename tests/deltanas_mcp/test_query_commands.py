"""Questions at the command line, and their answers as JSON."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from deltanas_agent.config import RunConfig
from deltanas_mcp.cli import app
from deltanas_mcp.wiring import begin_search, open_store
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Architecture
from tests.networks_for_tests import network
from tests.records_for_tests import PARENT, evaluation, kept, pending, rejected


@pytest.fixture
def path(store_path: Path) -> Path:
    """A lineage of three, whose last step fell, and a candidate that was rejected."""
    with open_store(store_path) as store:
        store.begin_run("night", {"kind": "submissions"})
        above = store.resolve("plain-cnn")
        source = store.get(above).source
        for index, (accuracy, parent) in enumerate([(0.6, 0.5), (0.9, 0.6), (0.7, 0.9)], start=1):
            source += f"# step {index}\n"
            begun = pending(above, index=index)
            store.reserve(begun)
            made = kept(
                begun, accuracy=accuracy, architecture=Architecture(source=source, hparams={})
            )
            above = store.finish(made.model_copy(update={"parent_accuracy": parent}))
        begun = pending(above, index=4)
        store.reserve(begun)
        store.finish(rejected(begun))
    return store_path


def run(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--store", str(path)])


def answer(path: Path, *arguments: str) -> Any:
    result = run(path, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_leaderboard_is_best_first(path: Path) -> None:
    rows = answer(path, "leaderboard", "--dataset", "digits")
    assert [row["accuracy"] for row in rows] == [0.9, 0.7, 0.6]
    assert rows[0]["gain"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (["--max-params", "12345"], 3),
        (["--max-params", "12344"], 0),
        (["--run", "night"], 3),
        (["--epochs", "2"], 0),
        (["--split", "test"], 0),
        (["--source", "lemur"], 0),
        (["--pareto"], 1),
        (["--limit", "2"], 2),
    ],
    ids=str,
)
def test_the_leaderboard_can_be_narrowed(path: Path, filters: list[str], count: int) -> None:
    assert len(answer(path, "leaderboard", *filters)) == count


def test_a_lineage_has_ancestors_and_descendants(path: Path) -> None:
    found = answer(path, "lineage", "night/c01-002")
    assert [each["name"] for each in found["ancestors"]] == [
        "plain-cnn",
        "night/c01-001",
        "night/c01-002",
    ]
    assert [(each["depth"], each["name"]) for each in found["descendants"]] == [
        (1, "night/c01-003"),
        (2, "night/c01-004"),
    ]


def test_a_lineage_is_drawn(path: Path) -> None:
    lines = run(path, "lineage", "night/c01-001").stdout.splitlines()
    assert lines[1].startswith("*   ")
    assert "(+0.1000)" in lines[1]


def test_blame_names_the_step_that_brought_a_line(path: Path) -> None:
    lines = answer(path, "blame", "night/c01-003")
    assert [(each["text"], each["name"]) for each in lines[-3:]] == [
        ("# step 1", "night/c01-001"),
        ("# step 2", "night/c01-002"),
        ("# step 3", "night/c01-003"),
    ]
    assert lines[0]["name"] == "plain-cnn"


def test_bisect_names_the_step_at_which_the_accuracy_fell(path: Path) -> None:
    found = answer(path, "bisect", "night/c01-003")
    assert [step["verdict"] for step in found["steps"]] == ["improved", "improved", "fell"]
    assert found["worst"] == "night/c01-003"
    assert answer(path, "bisect", "night/c01-002")["worst"] is None


def test_bisect_begins_after_the_ancestor_that_is_named(path: Path) -> None:
    found = answer(path, "bisect", "night/c01-003", "--good", "night/c01-002")
    assert [step["name"] for step in found["steps"]] == ["night/c01-003"]
    result = run(path, "bisect", "night/c01-001", "--good", "night/c01-003")
    assert "no ancestor" in result.stderr


def test_diff_compares_any_two(path: Path, tmp_path: Path) -> None:
    delta = run(path, "diff", "night/c01-001", "night/c01-003").stdout
    assert "+# step 2\n+# step 3\n" in delta
    subprocess.run(["git", "apply", "--stat", "-"], input=delta, text=True, check=True)


def test_the_log_is_newest_first_and_can_be_narrowed(path: Path) -> None:
    names = [each["name"] for each in answer(path, "log", "night")]
    assert names == [f"night/c01-00{number}" for number in (4, 3, 2, 1)]
    [only] = answer(path, "log", "--status", "rejected")
    assert only["code"] == "not-found"
    assert len(answer(path, "log", "--limit", "2")) == 2


def test_what_a_model_wrote_cannot_reach_the_terminal(path: Path) -> None:
    with open_store(path) as store:
        evil = Architecture(source="x = 1  # \x1b]0;owned\x07\n", hparams={})
        store.import_baseline("evil", evil)
    assert "\x1b" not in run(path, "blame", "evil").stdout


def test_reindex_changes_no_answer(path: Path) -> None:
    before = answer(path, "leaderboard")
    assert run(path, "reindex").stdout.startswith("Read ")
    assert answer(path, "leaderboard") == before


def test_maintain_says_what_it_did(path: Path) -> None:
    assert answer(path, "maintain")["loose_after"] == 0
    assert len(answer(path, "leaderboard")) == 3


def test_a_folder_is_imported_with_a_report(path: Path, tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "my_net.py").write_text(network())
    (tmp_path / "nets" / "other.py").write_text("print('run')\n")
    result = run(path, "import", "folder", str(tmp_path / "nets"))
    assert "Imported 1 networks" in result.stdout
    assert "other" in result.stderr
    assert "supported_hyperparameters" in result.stderr
    assert run(path, "show", "my-net").exit_code == 0


def test_nothing_that_fits_is_an_error(path: Path, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("x = 1\n")
    assert run(path, "import", "file", str(tmp_path / "other.py")).exit_code == 1


def test_a_run_that_names_no_baseline_does_not_train_thousands(path: Path) -> None:
    with open_store(path) as store:
        for number in range(70):
            store.import_baseline(f"n{number}", PARENT)
        with pytest.raises(ConfigError, match="72 baselines"):
            begin_search(store, "long", RunConfig())
        begin_search(store, "short", RunConfig(baselines=("n1",)))


def test_evaluations_of_others_are_asked_for_by_their_source(path: Path) -> None:
    with open_store(path) as store:
        store.add_evaluation(store.resolve("plain-cnn"), evaluation(0.99))
    assert answer(path, "leaderboard")[0]["name"] == "plain-cnn"
    assert answer(path, "leaderboard", "--source", "lemur") == []
