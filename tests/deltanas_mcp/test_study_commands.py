"""deltanas study proxy."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from deltanas_mcp.cli import app
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.bulk import import_baselines
from deltanas_repo_store.reported import NewBaseline, Reported, ReportedTrial
from tests.networks_for_tests import architecture, network
from tests.records_for_tests import evaluation


def run(path: Path, *arguments: object) -> Result:
    options = ["--store", str(path), *map(str, arguments)]
    return CliRunner().invoke(app, ["study", "proxy", *options])


@pytest.fixture
def lemur(store_path: Path) -> Path:
    """A store with what LEMUR reports of twenty networks: two epochs say more than one."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(20):
        long = rng.uniform(0.4, 0.9)
        curve = {1: long - 0.2 + rng.normal(0, 0.2), 2: long - 0.1 + rng.normal(0, 0.02), 50: long}
        trials = tuple(
            ReportedTrial(
                dataset=dataset,
                epochs=epochs,
                transform="norm",
                accuracy=float(np.clip(accuracy, 0, 1)),
                seconds=1.0,
                hparams={"lr": 0.01},
                id="a",
            )
            for dataset in ("cifar-10", "mnist")
            for epochs, accuracy in curve.items()
        )
        name = f"Net{chr(65 + number % 26)}{number}"
        report = Reported(source="lemur", package="nn-dataset", network=name, trials=trials)
        source = architecture(network(forward=f"x = x * {number}"))
        found.append(NewBaseline(name=name, architecture=source, reported=(report,)))
    with open_store(store_path) as store:
        import_baselines(store, found)
    return store_path


def test_tables_name_the_proxies_that_rank_better(lemur: Path) -> None:
    result = run(lemur, "--source", "lemur")
    assert result.exit_code == 0, result.output
    assert "Rank better than it, beyond chance: epoch 2; " in result.stdout
    assert "cifar-10: 20 networks" in result.stdout
    assert "mnist: 20 networks" in result.stdout


def test_tables_are_markdown_whose_rows_have_all_columns(lemur: Path) -> None:
    text = run(lemur, "--source", "lemur").stdout
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {10}
    assert "…" not in text


def test_the_same_is_printed_as_json(lemur: Path) -> None:
    found = json.loads(run(lemur, "--source", "lemur", "-d", "mnist", "--json").stdout)
    assert [field["field"] for field in found["fields"]] == ["mnist"]
    [plain] = [each for each in found["overall"] if each["proxy"] == "epoch 1"]
    assert plain["gain"]["value"] == 0.0
    assert found["design"]["long"] == 50


def test_our_own_measurements_are_studied_by_default(store_path: Path) -> None:
    with open_store(store_path) as store:
        for number in range(6):
            source = architecture(network(forward=f"x = x * {number}"))
            each = store.import_baseline(f"net{number}", source)
            for epochs in (1, 3):
                measured = evaluation(0.1 * (number + 1)).model_copy(update={"epochs": epochs})
                store.add_evaluation(each, measured)
    result = run(store_path, "--long", 3)
    assert result.exit_code == 0, result.output
    assert "digits-search: 6 networks of 6 families, 6 trainings" in result.stdout
    assert "No proxy ranks better than it beyond chance." in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param([], 1, "5 networks", id="nothing was trained for long"),
        pytest.param(["--short", 9, "--long", 3], 1, "longer", id="no longer than the short"),
        pytest.param(["--target", "moon"], 2, "training or network", id="no such target"),
    ],
)
def test_what_cannot_be_studied_is_said(
    store_path: Path, arguments: list[object], code: int, message: str
) -> None:
    result = run(store_path, *arguments)
    assert result.exit_code == code
    assert message in result.stderr
