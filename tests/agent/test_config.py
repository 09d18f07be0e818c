"""Run configurations: what the keys mean, those of earlier versions too."""

import pytest

from deltanas_agent.config import Novelty, RunConfig
from deltanas_mcp.settings import parse_run_config
from deltanas_repo_store.errors import ConfigError


def test_a_configuration_of_before_compares_as_it_did_then() -> None:
    config = parse_run_config({"seed": 7, "novelty_threshold": 0.95}, where="the run")
    before = Novelty(threshold=0.95, parent="include", same_computation="report")
    assert (config.seed, config.novelty) == (7, before)


def test_what_is_written_is_read_back() -> None:
    config = RunConfig(novelty=Novelty(threshold=0.8, parent="include"))
    assert RunConfig.model_validate(config.model_dump(mode="json")) == config


def test_an_unknown_key_of_novelty_is_named() -> None:
    with pytest.raises(ConfigError, match=r"unknown key 'novelty.treshold'.*threshold"):
        parse_run_config({"novelty": {"treshold": 0.9}}, where="night.toml")


def test_a_threshold_beyond_one_is_named() -> None:
    with pytest.raises(ConfigError, match="novelty"):
        parse_run_config({"novelty_threshold": 1.5}, where="night.toml")
