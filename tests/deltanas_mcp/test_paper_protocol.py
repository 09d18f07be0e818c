"""The paper's protocol, whole, at a size that a laptop manages: a tiny model and small images."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deltanas_agent.config import RunConfig
from deltanas_mcp.cli import app
from deltanas_mcp.wiring import begin_search, open_store
from deltanas_repo_store.adapters import Adapters
from deltanas_repo_store.baselines import baselines

PAPER = sorted((Path(__file__).parents[2] / "configs" / "paper").glob("*.toml"))


def reduced(path: Path, model: Path) -> RunConfig:
    """The configuration of a file, with nothing changed but its size."""
    values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    values |= {"cycles": 2, "candidates": 1, "datasets": ["digits"], "baselines": ["shuffle-net"]}
    values["measurement"] |= {"device": "cpu", "train_seconds": 60}
    if "model" in values:
        values["model"]["local"] = {"model": str(model), "dtype": "float32"}
        values["model"]["sampling"]["max_new_tokens"] = 40
    if "tuning" in values:
        values["tuning"] |= {"max_new_tokens": 20}
        values["tuning"]["corpus"] |= {"lemur_pairs": 0, "mutation_pairs": 16}
        values["tuning"]["lora"] |= {"epochs": 1, "four_bit": False}
    return RunConfig.model_validate(values)


@pytest.mark.slow
@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_every_system_that_the_paper_compares_with_runs_to_its_end(
    store_path: Path, model_folder: Path, path: Path
) -> None:
    config = reduced(path, model_folder)
    with open_store(store_path) as store:
        for name in ("dense-net", "wide-net"):
            store.import_baseline(name, baselines()[name])
        begin_search(store, path.stem, config)
    result = CliRunner().invoke(app, ["resume", path.stem, "--store", str(store_path)])
    assert result.exit_code == 0, result.output
    with open_store(store_path) as store:
        cycles = {each.key.cycle for each in store.candidates(path.stem)}
        adapters = Adapters(store).entries(path.stem)
    assert cycles == {1, 2}
    assert len(adapters) == (config.tuning is not None)


@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_the_numbers_of_the_paper_are_in_every_file(path: Path) -> None:
    config = RunConfig.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    assert (config.seed, config.cycles, config.candidates) == (42, 22, 50)
    assert config.selection.min_accuracy == 0.40
    assert config.measurement.train_seconds == 600
    assert (config.measurement.split, config.measurement.epochs) == ("test", 1)
    assert (config.novelty.threshold, config.novelty.parent) == (0.90, "include")
