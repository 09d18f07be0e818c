"""Commands with a language model: a tiny one of a real class, from a folder, as a user has it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deltanas_agent.slots import slot_of_key
from deltanas_mcp.cli import app
from deltanas_mcp.cli.training import INTERRUPTED
from deltanas_mcp.settings import load_run_config
from deltanas_mcp.wiring import begin_search, open_store
from deltanas_repo_store.adapters import Adapters
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import ConfigError
from deltanas_tools.finetune_lora.corpus.files import write_corpus
from tests.tools.finetune_lora.corpus.pairs_for_tests import corpus, network, pair

PLAIN = baselines()["plain-cnn"]
CONFIG = """
cycles = 1
candidates = 1
proposer = "transformers"
baselines = ["shuffle-net"]
[replication]
seeds = 1
[model.local]
model = "{model}"
[model.sampling]
max_new_tokens = 40
"""
SHORT = """
cycles = 1
candidates = 2
baselines = ["shuffle-net"]
[replication]
seeds = 1
"""
LORA = """
[lora]
rank = 2
epochs = 1
layers = 2
accumulation = 1
targets = ["q_proj"]
"""


@pytest.fixture
def config(model_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(CONFIG.format(model=model_folder))
    return path


@pytest.fixture
def run(store_path: Path, config: Path) -> str:
    with open_store(store_path) as store:
        begin_search(store, "night", load_run_config(config))
    return "night"


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    wider = PLAIN.source.replace("(12, 24, 48)", "(16, 32, 64)")
    deeper = PLAIN.source.replace("convs_per_stage = 2", "convs_per_stage = 3")
    size = {"dataset": "mnist", "input": "1x28x28-10"}
    apart = network(baselines()["shuffle-net"].source, "shuffle-net").model_copy(
        update={"architecture": baselines()["shuffle-net"], **size}
    )
    pairs = [pair(child=child, parent=PLAIN.source, **size) for child in (wider, deeper)]
    folder = tmp_path / "corpus"
    write_corpus(corpus(*pairs, held_out=(apart,)), folder)
    return folder


def call(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--store", str(store)])


def test_a_model_in_a_folder_proposes(store_path: Path, config: Path) -> None:
    result = call(store_path, "propose", "plain-cnn", "--model", str(config))
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(("--- a/net.py", "@@"))


def test_a_run_with_a_model_records_its_name_and_what_it_wrote(
    store_path: Path, config: Path
) -> None:
    result = call(store_path, "run", str(config))
    assert result.exit_code == 0, result.output
    with open_store(store_path) as store:
        for entry in store.candidates("tiny"):
            proposal = store.outcome(entry.key).pending.proposal
            assert proposal.proposer.startswith("tiny")
            assert proposal.output_tokens > 0


def test_an_adapter_is_trained_tried_and_kept(
    store_path: Path, run: str, corpus_folder: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "lora.toml"
    settings.write_text(LORA)
    options = ["--settings", str(settings), "--answers", "2", "--tokens", "40"]
    options += ["--measure-on", "digits"]
    result = call(store_path, "finetune", run, str(corpus_folder), *options)
    assert result.exit_code == 0, result.output
    assert "night/c01: effective" in result.stdout
    listed = call(store_path, "adapters", "list", run, "--json")
    [adapter] = json.loads(listed.stdout)["adapters"]
    assert adapter["record"]["num_examples"] == 2


@pytest.mark.slow
def test_an_interrupted_training_goes_on_by_the_same_command(
    store_path: Path, run: str, corpus_folder: Path, tmp_path: Path, cache: Path
) -> None:
    settings = tmp_path / "lora.toml"
    settings.write_text(LORA.replace("epochs = 1", "epochs = 60"))
    options = ("--settings", str(settings), "--answers", "1", "--tokens", "20")
    program = "from deltanas_mcp.cli import main; main()"
    command = [sys.executable, "-c", program, "finetune", run, str(corpus_folder)]
    before = set((cache / "trainings").glob("*/checkpoints"))
    with subprocess.Popen(
        [*command, *options, "--store", str(store_path)], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step "):
                process.send_signal(signal.SIGINT)
                break
        told = process.stderr.read()
    assert process.returncode == INTERRUPTED
    assert "The same command goes on" in told
    assert set((cache / "trainings").glob("*/checkpoints")) - before
    assert call(store_path, "finetune", run, str(corpus_folder), *options).exit_code == 0


def test_a_run_without_a_model_here_has_nothing_to_tune(
    store_path: Path, corpus_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "mutating.toml"
    path.write_text("cycles = 1\n")
    with open_store(store_path) as store:
        begin_search(store, "mutating", load_run_config(path))
    result = call(store_path, "finetune", "mutating", str(corpus_folder))
    assert result.exit_code == 1
    assert "the proposer of mutating is 'mutation'" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(("model", "fetch", "gpt"), "there are: smollm2", id="no packaged model"),
        pytest.param(("model", "fetch"), "Missing argument", id="no name"),
    ],
)
def test_an_unknown_model_is_refused(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code != 0
    assert message in result.stderr


def test_a_model_that_was_not_fetched_says_how_to(store_path: Path) -> None:
    result = call(store_path, "propose", "plain-cnn", "--proposer", "transformers")
    assert result.exit_code == 1
    assert "deltanas model fetch smollm2" in result.stderr


def test_a_server_that_is_not_named_is_asked_for(store_path: Path) -> None:
    result = call(store_path, "propose", "plain-cnn", "--proposer", "openai")
    assert result.exit_code == 1
    assert "needs a table [model.server]" in result.stderr


def test_a_model_takes_the_place_of_who_proposes_in_a_run(config: Path) -> None:
    quickstart = load_run_config(Path("configs/quickstart.toml"), model=config)
    assert (quickstart.proposer, quickstart.candidates) == ("transformers", 8)
    assert quickstart.model.sampling.max_new_tokens == 40


def test_a_file_without_a_model_names_no_proposer() -> None:
    with pytest.raises(ConfigError, match=r"has no table \[model\]"):
        load_run_config(Path("configs/quickstart.toml"), model=Path("configs/quickstart.toml"))


def test_the_rates_of_a_run_are_printed_and_given_as_json(store_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.toml"
    path.write_text(SHORT)
    call(store_path, "run", str(path))
    printed = call(store_path, "rates", "short")
    assert "answered" in printed.stdout
    assert "100% [34%, 100%]" in printed.stdout
    found = json.loads(call(store_path, "rates", "short", "--json").stdout)
    assert found["rates"]["first"]["answered"] == 2


def test_the_rates_of_an_unknown_run_are_refused(store_path: Path) -> None:
    result = call(store_path, "rates", "nothing")
    assert result.exit_code == 1
    assert "no run 'nothing'" in result.stderr


@pytest.mark.parametrize("path", sorted(Path("configs/models").glob("*-7b.toml")), ids=str)
def test_the_papers_models_have_a_configuration(path: Path) -> None:
    config = load_run_config(path)
    assert (config.proposer, config.model.sampling.temperature) == ("transformers", 0.35)


TUNED = """
cycles = 2
candidates = 1
baselines = ["shuffle-net"]
datasets = ["digits"]
[arms.mutation]
[arms.untuned]
proposer = "transformers"
[arms.untuned.model.local]
model = "{model}"
[arms.untuned.model.sampling]
max_new_tokens = 40
[arms.tuned]
proposer = "transformers"
[arms.tuned.model.local]
model = "{model}"
[arms.tuned.model.sampling]
max_new_tokens = 40
[replication]
seeds = 1
[tuning]
arm = "tuned"
answers = 1
max_new_tokens = 20
promote = "always"
[tuning.corpus]
mutation_pairs = 16
lemur_pairs = 0
[tuning.lora]
rank = 2
epochs = 1
"""


@pytest.mark.slow
def test_a_run_tunes_the_model_of_an_arm_between_its_cycles(
    store_path: Path, model_folder: Path, tmp_path: Path
) -> None:
    with open_store(store_path) as store:
        for name in ("dense-net", "wide-net"):
            store.import_baseline(name, baselines()[name])
    path = tmp_path / "night.toml"
    path.write_text(TUNED.format(model=model_folder))
    result = call(store_path, "run", str(path))
    assert result.exit_code == 0, result.output
    assert "adapter night/c01 is used from now on" in result.output
    config = load_run_config(path)
    with open_store(store_path) as store:
        arms = {slot_of_key(config, each.key).arm for each in store.candidates("night")}
        [adapter] = Adapters(store).entries("night")
    assert arms == {"mutation", "untuned", "tuned"}
    assert adapter.record.promoted
    again = call(store_path, "resume", "night")
    assert again.exit_code == 0, again.output
    with open_store(store_path) as store:
        assert len(Adapters(store).entries("night")) == 1


@pytest.mark.parametrize("arm", ["nobody", "mutation"])
def test_only_an_arm_with_a_model_here_can_be_tuned(tmp_path: Path, arm: str) -> None:
    path = tmp_path / "night.toml"
    path.write_text(f'[arms.mutation]\n[tuning]\narm = "{arm}"\n')
    with pytest.raises(ConfigError, match=r"\[tuning\] needs an arm"):
        load_run_config(path)
