"""train and reproduce: numbers that are measured several times, kept, and found again."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deltanas_agent.config import Measurement
from deltanas_mcp.cli import app
from deltanas_mcp.settings import parse_devices
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Evaluation


def call(store: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--store", str(store)])


def evaluations(store: Path, name: str = "shuffle-net") -> tuple[Evaluation, ...]:
    with open_store(store) as opened:
        return opened.evaluations(opened.resolve(name))


def test_every_seed_is_kept_and_the_mean_is_shown(store_path: Path) -> None:
    result = call(store_path, "train", "shuffle-net", "--seeds", "3")
    assert result.exit_code == 0, result.output
    accuracies = [each.accuracy for each in evaluations(store_path)]
    assert [each.seed for each in evaluations(store_path)] == [42, 43, 44]
    assert f"accuracy {sum(accuracies) / 3:.4f} ±" in result.stdout


def test_what_the_store_has_is_not_trained_again(store_path: Path) -> None:
    call(store_path, "train", "shuffle-net", "--seeds", "2")
    before = evaluations(store_path)
    call(store_path, "train", "shuffle-net", "--seeds", "2", "--per-device", "2")
    assert evaluations(store_path) == before


def test_the_learning_curve_is_shown_and_kept(store_path: Path) -> None:
    result = call(store_path, "train", "shuffle-net", "--epochs", "3")
    [kept] = evaluations(store_path)
    assert [point.epoch for point in kept.curve] == [1, 2, 3]
    for point in kept.curve:
        assert f"epoch {point.epoch:>4}  accuracy {point.accuracy:.4f}" in result.stdout


def test_the_test_split_is_scored_apart(store_path: Path) -> None:
    for split in ("search", "test"):
        call(store_path, "train", "shuffle-net", "--split", split)
    assert sorted(each.split for each in evaluations(store_path)) == ["search", "test"]


def test_a_budget_of_seconds_ends_a_training(store_path: Path) -> None:
    budget = ("--epochs", "1000", "--budget-seconds", "1", "--limit-seconds", "60")
    result = call(store_path, "train", "shuffle-net", *budget)
    assert result.exit_code == 0, result.output
    [kept] = evaluations(store_path)
    assert kept.epochs < 1000
    assert kept.budget_seconds == 1


def test_records_are_printed_as_json(store_path: Path) -> None:
    result = call(store_path, "train", "shuffle-net", "--transform", "norm_32_flip", "--json")
    [record] = json.loads(result.stdout)
    assert Evaluation.model_validate(record) == evaluations(store_path)[0]
    assert record["transform"] == "norm_32_flip"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        pytest.param(("--transform", "norm_32_flop"), "norm_32_flip", id="transform"),
        pytest.param(("--device", "gpu"), "'device'", id="device"),
        pytest.param(("--devices", "cuda:0"), "cannot go on on cuda:0", id="another kind"),
        pytest.param(("--devices", "cpu,tpu"), "'tpu'", id="no device"),
        pytest.param(("--dataset", "digit"), "digit", id="data set"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    store_path: Path, options: tuple[str, ...], named: str
) -> None:
    result = call(store_path, "train", "shuffle-net", *options)
    assert result.exit_code == 1
    assert named in result.stderr
    assert evaluations(store_path) == ()


def test_a_candidate_is_not_judged_on_the_test_split(store_path: Path) -> None:
    proposed = call(store_path, "propose", "plain-cnn")
    where = ["--store", str(store_path)]
    CliRunner().invoke(app, ["apply", "plain-cnn", "-", *where], input=proposed.stdout)
    result = call(store_path, "train", "hand/c01-001", "--split", "test")
    assert result.exit_code == 1
    assert "search split" in result.stderr


def test_a_record_is_reproduced_bit_for_bit(store_path: Path) -> None:
    call(store_path, "train", "shuffle-net", "--epochs", "2", "--transform", "norm_32_flip")
    result = call(store_path, "reproduce", "shuffle-net")
    assert result.exit_code == 0, result.output
    assert "reproduced bit for bit" in result.stdout


def test_a_number_that_does_not_come_again_is_told(store_path: Path) -> None:
    call(store_path, "train", "shuffle-net")
    [kept] = evaluations(store_path)
    changed = kept.model_copy(update={"accuracy": 0.99, "torch_version": "1.0"})
    with open_store(store_path) as store:
        store.add_evaluation(store.resolve("shuffle-net"), changed)
    result = call(store_path, "reproduce", "shuffle-net")
    assert result.exit_code == 1
    assert "NOT reproduced" in result.stdout
    assert "torch: 1.0, here" in result.stdout


def test_other_data_under_the_same_name_is_refused(store_path: Path) -> None:
    call(store_path, "train", "shuffle-net")
    [kept] = evaluations(store_path)
    with open_store(store_path) as store:
        other = kept.model_copy(update={"dataset_digest": "0" * 16})
        store.add_evaluation(store.resolve("shuffle-net"), other)
    result = call(store_path, "reproduce", "shuffle-net")
    assert result.exit_code == 1
    assert "other images or splits" in result.stderr


def test_there_must_be_a_record_to_reproduce(store_path: Path) -> None:
    result = call(store_path, "reproduce", "shuffle-net", "--only", "e50")
    assert result.exit_code == 1
    assert "no measurement with 'e50'" in result.stderr


def test_a_run_can_train_side_by_side(store_path: Path, tmp_path: Path) -> None:
    (tmp_path / "night.toml").write_text(
        "cycles = 1\ncandidates = 2\nattempts = 1\n[replication]\nseeds = 1\n"
    )
    result = call(store_path, "run", str(tmp_path / "night.toml"), "--per-device", "2")
    assert result.exit_code == 0, result.output
    with open_store(store_path) as store:
        assert len(store.candidates("night")) == 2


def test_each_device_is_there_as_often_as_it_trains() -> None:
    measurement = Measurement(device="cuda")
    assert parse_devices("cuda:0, cuda:1", 2, measurement) == ("cuda:0",) * 2 + ("cuda:1",) * 2
    assert parse_devices("", 1, measurement) == ("cuda",)


def test_a_name_of_no_device_is_refused() -> None:
    with pytest.raises(ConfigError, match="'cuda0' is no device"):
        parse_devices("cuda0", 1, Measurement(device="cuda"))
