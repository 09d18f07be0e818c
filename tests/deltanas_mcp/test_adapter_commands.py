"""Adapters, as a person types about them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deltanas_mcp.cli import app
from deltanas_mcp.wiring import create_store, open_store
from deltanas_repo_store.adapters import Adapters
from tests.adapters_for_tests import adapter_folder, record


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["adapters", *map(str, arguments)])


def run(*arguments: str | Path) -> str:
    """Run a command that must succeed, and return what it prints."""
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A store in which a run has tuned three adapters and uses the second."""
    path = tmp_path / "store"
    create_store(path, with_baselines=False)
    with open_store(path) as opened:
        opened.begin_run("night", {"seed": 1})
        opened.begin_run("day", {"seed": 2})
        shelf = Adapters(opened)
        first = shelf.add("night", 1, adapter_folder(tmp_path / "1", seed=1), record())
        shelf.promote("night", first, expected=None, reason="better than none")
        second = shelf.add("night", 2, adapter_folder(tmp_path / "2", seed=2), record(first))
        shelf.promote("night", second, expected=first, reason="better still")
        facts = record(second, promoted=False, verdict="worse")
        shelf.add("night", 3, adapter_folder(tmp_path / "3", seed=3), facts)
    return path


def test_the_list_shows_the_lineage_and_what_is_in_use(store: Path) -> None:
    lines = [line for line in run("list", "-s", store).splitlines() if "night/c" in line]
    assert [line.split()[0] for line in lines] == ["night/c01", "*", "night/c03"]
    assert "night/c01  the untuned model  " in lines[0]
    assert lines[1].split()[1:6] == ["night/c02", "night/c01", "25/40", "19/40", "+0.0100"]


def test_the_list_of_a_run_ends_with_what_it_has_used(store: Path) -> None:
    told = run("list", "night", "-s", store).splitlines()[-2:]
    assert [line[18:] for line in told] == [
        "night/c01  better than none",
        "night/c02  better still",
    ]
    assert "day uses the untuned model." in run("list", "day", "-s", store)


def test_the_list_can_be_had_as_json(store: Path) -> None:
    listed = json.loads(run("list", "-s", store, "--json"))
    assert [each["key"]["cycle"] for each in listed["adapters"]] == [1, 2, 3]
    assert listed["promotions"]["night"][-1]["adapter"] == listed["adapters"][1]["id"]


def test_an_adapter_is_shown_with_its_verdict_and_where_it_comes_from(store: Path) -> None:
    lines = run("show", "night/c03", "-s", store).splitlines()
    assert "effective    25 of 40 (0.62); before 19 of 40 (0.47)" in lines
    assert "verdict      not promoted: worse" in lines
    assert [line[13:] for line in lines if line.startswith("tuned from")] == [
        "night/c02",
        "night/c01",
        "the untuned model",
    ]


def test_rolling_back_and_promoting_change_what_is_in_use(store: Path) -> None:
    assert run("rollback", "night", "-s", store) == "night uses night/c01 again.\n"
    assert run("rollback", "night", "-s", store) == "night uses the untuned model again.\n"
    told = run("promote", "night/c03", "-s", store)
    assert told == "night uses night/c03 now; `deltanas adapters rollback night` goes back.\n"
    assert "promoted by hand" in run("list", "night", "-s", store)


def test_a_run_can_use_an_adapter_of_another(store: Path) -> None:
    run("promote", "night/c01", "--run", "day", "--reason", "the same networks", "-s", store)
    assert "night/c01  the same networks" in run("list", "day", "-s", store)


def test_an_adapter_is_brought_to_disk(store: Path, tmp_path: Path) -> None:
    run("export", "night/c02", tmp_path / "out", "-s", store)
    for name in ("adapter_config.json", "adapter_model.safetensors", "manifest.json"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        pytest.param(["show", "night/c09"], "adapters list", id="an unknown adapter"),
        pytest.param(["list", "nigth"], "its runs: day, night", id="an unknown run"),
        pytest.param(["rollback", "day"], "day uses the untuned model", id="nothing to go back"),
        pytest.param(["promote", "night/c01", "--run", "x"], "no run 'x'", id="another's run"),
        pytest.param(["export", "night/c01", "."], "is not empty", id="a folder with files"),
    ],
)
def test_what_cannot_be_done_is_one_line(store: Path, command: list[str], told: str) -> None:
    result = invoke(*command, "-s", store)
    assert result.exit_code == 1
    assert told in result.output
    assert result.output.startswith("deltanas: ")
    assert len(result.output.splitlines()) == 1


def test_a_store_without_adapters_says_how_they_come_about(tmp_path: Path) -> None:
    create_store(tmp_path / "empty", with_baselines=False)
    assert "No adapter yet" in run("list", "-s", tmp_path / "empty")
