"""The command that writes a report."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deltanas_mcp.cli import app
from deltanas_mcp.wiring import open_store
from tests.records_for_tests import kept, pending, rejected


@pytest.fixture
def path(store_path: Path) -> Path:
    """Two runs with two answers each."""
    with open_store(store_path) as store:
        for run in ("day", "night"):
            store.begin_run(run, {"kind": "submissions"})
            for index in (1, 2):
                begun = pending(store.resolve("plain-cnn"), run=run, index=index)
                store.reserve(begun)
                store.finish(kept(begun) if index == 1 else rejected(begun))
    return store_path


def report(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["report", *arguments, "--store", str(path)])


def test_a_report_is_a_page_with_its_figures_and_data_beside_it(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "both.html"
    result = report(path, "day", "night", "--out", str(out))
    assert result.exit_code == 0, result.output
    assert out.read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")
    beside = {each.name for each in (out.parent / "both-files").iterdir()}
    assert {"candidates.csv", "comparisons.csv", "funnel-first.svg"} <= beside
    assert str(out) in result.output


def test_figures_and_data_go_where_they_are_wanted(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    result = report(path, "day", "-o", str(tmp_path / "day.html"), "--files", str(folder))
    assert result.exit_code == 0, result.output
    assert (folder / "funnel.csv").exists()
    assert not (tmp_path / "day-files").exists()


def test_a_run_that_is_not_there_is_named_with_those_that_are(path: Path, tmp_path: Path) -> None:
    result = report(path, "dawn", "--out", str(tmp_path / "dawn.html"))
    assert result.exit_code == 1
    assert "no run 'dawn'; its runs: day, night" in result.output
    assert not (tmp_path / "dawn.html").exists()


def test_a_page_that_cannot_be_written_is_one_line(path: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = report(path, "day", "--out", str(tmp_path / "file" / "day.html"))
    assert result.exit_code == 1
    assert "the report cannot be written" in result.output


def test_a_report_leaves_the_store_as_it_is(path: Path, tmp_path: Path) -> None:
    with open_store(path) as store:
        before = dict(store.repository.refs("refs/"))
    assert before
    report(path, "day", "night", "--out", str(tmp_path / "both.html"))
    with open_store(path) as store:
        assert dict(store.repository.refs("refs/")) == before
