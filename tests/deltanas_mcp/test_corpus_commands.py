"""deltanas corpus build, deltanas corpus show."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deltanas_mcp.cli import app
from deltanas_tools.finetune_lora.corpus import read_corpus


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["corpus", *map(str, arguments)])


@pytest.fixture
def folder(store_path: Path, cache: Path) -> Path:
    """A corpus, built by the first test that asks."""
    made = cache / "a-corpus"
    if not made.exists():
        options = ["--held-out", "plain-cnn", "--sample", "0", "--mutations", "12", "--jobs", "1"]
        result = run("build", made, "--store", store_path, *options)
        assert result.exit_code == 0, result.output
        assert "held-out networks: plain-cnn" in result.stdout
    return made


def test_a_corpus_is_built_and_shown(folder: Path) -> None:
    corpus = read_corpus(folder)
    result = run("show", folder)
    assert (
        f"{len(corpus.to_train)} pairs to train on, {len(corpus.to_measure)} held" in result.stdout
    )
    assert corpus.digest[:12] in result.stdout
    assert "mutation: 6" in result.stdout
    manifest = json.loads(run("show", folder, "--json").stdout)
    assert manifest["digest"] == corpus.digest


def test_a_pair_is_shown_with_its_delta(folder: Path) -> None:
    first = read_corpus(folder).pairs[0]
    text = run("show", folder, "--pair", 1).stdout
    assert first.parent_name in text
    assert "\n--- a/net.py\n+++ b/net.py\n@@" in text
    assert json.loads(run("show", folder, "--pair", 1, "--json").stdout)["child"] == first.child


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["show", "--pair", "9"], "no pair 9", id="no such pair"),
        pytest.param(["build", "--held-out", "a b"], "held_out.0", id="no name"),
        pytest.param(["build", "--held-out", "resnet"], "no baseline 'resnet'", id="unknown"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    folder: Path, store_path: Path, arguments: list[str], message: str
) -> None:
    command, *options = arguments
    where = ["--store", store_path] if command == "build" else []
    result = run(command, folder, *where, *options)
    assert result.exit_code == 1
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_folder_without_a_corpus_is_named(tmp_path: Path) -> None:
    result = run("show", tmp_path)
    assert result.exit_code == 1
    assert "deltanas corpus build" in result.stderr
