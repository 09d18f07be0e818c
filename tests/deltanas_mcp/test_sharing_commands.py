"""Pull and push, as a person types them."""

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deltanas_mcp.cli import app
from deltanas_mcp.wiring import create_store, open_store
from deltanas_repo_store.records import Architecture


def run(*arguments: str | Path) -> str:
    """Run a command that must succeed, and return what it prints."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "hub"], check=True)
    return tmp_path / "hub"


def test_a_store_goes_through_a_plain_repository(
    store_path: Path, hub: Path, tmp_path: Path
) -> None:
    create_store(tmp_path / "other", with_baselines=False)
    assert run("push", hub, "-s", store_path, "--dry-run") == "Would push 2 baselines.\n"
    assert run("push", hub, "-s", store_path) == "Pushed 2 baselines.\n"
    assert run("push", hub, "-s", store_path) == "Pushed nothing new.\n"
    assert run("pull", hub, "-s", tmp_path / "other") == "Pulled 2 baselines.\n"
    shared = json.loads(run("pull", hub, "-s", tmp_path / "other", "--json"))
    assert shared["baselines"] == 0


def test_another_thing_of_the_same_name_is_told_of(store_path: Path, tmp_path: Path) -> None:
    create_store(tmp_path / "other", with_baselines=False)
    with open_store(tmp_path / "other") as other:
        made = other.import_baseline("plain-cnn", Architecture(source="x = 1\n", hparams={}))
    told = run("pull", tmp_path / "other", "-s", store_path)
    assert f"plain-cnn is another plain-cnn here, so it goes by plain-cnn-{made[:6]}." in told


def test_what_is_left_out_is_named(store_path: Path, hub: Path) -> None:
    git = ["git", "-C", str(hub), "-c", "user.name=x", "-c", "user.email=x"]
    tree = subprocess.check_output([*git, "mktree"], input=b"").decode().strip()
    commit = subprocess.check_output([*git, "commit-tree", "-m", "x", tree]).decode().strip()
    subprocess.run([*git, "update-ref", "refs/heads/baseline/evil", commit], check=True)
    told = run("pull", hub, "-s", store_path)
    assert "refs/heads/baseline/evil: its tree is not that of an architecture" in told
