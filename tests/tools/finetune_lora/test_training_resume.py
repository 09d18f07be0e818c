"""A training may stop anywhere: what comes out is the same to the bit."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.finetune_lora.run import Progress
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.finetune_lora.training import Cancelled, Tuned, train
from tests.tools.finetune_lora.tiny_models import (
    examples,
    llama_config,
    same_bits,
    tiny_model,
    weights,
)

# Dropout is on: its random numbers must go on where they were. 2 epochs of 4 steps.
SETTINGS = LoraSettings(rank=4, learning_rate=1e-2, micro_batch=1, accumulation=2, epochs=2)


class Killed(BaseException):
    """The process is gone."""


def killed_after(step: int) -> Callable[[Progress], None]:
    def progress(made: Progress) -> None:
        if made.step == step:
            raise Killed

    return progress


def cancelled_at(call: int) -> Callable[[], bool]:
    calls = iter(range(1, 10_000))
    return lambda: next(calls) >= call


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    train(tiny_model(), examples(8), SETTINGS, folder=folder, held_out=examples(3))
    return folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what is left where the process was killed in step 7 of 8."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Killed):
        train(
            tiny_model(),
            examples(8),
            SETTINGS,
            folder=folder,
            held_out=examples(3),
            progress=killed_after(7),
            checkpoint_every=3,
        )
    return folder


def go_on(folder: Path) -> Tuned | Cancelled:
    return train(tiny_model(), examples(8), SETTINGS, folder=folder, held_out=examples(3))


@pytest.mark.parametrize("step", [1, 4, 6, 8])
def test_a_killed_training_goes_on_to_the_same_bits(
    step: int, tmp_path: Path, uninterrupted: Path
) -> None:
    with pytest.raises(Killed):
        train(
            tiny_model(),
            examples(8),
            SETTINGS,
            folder=tmp_path,
            held_out=examples(3),
            progress=killed_after(step),
            checkpoint_every=3,
        )
    result = go_on(tmp_path)
    assert isinstance(result, Tuned)
    assert same_bits(tmp_path, uninterrupted)
    due = go_on(uninterrupted)
    assert isinstance(due, Tuned)
    assert result.manifest.losses == due.manifest.losses
    assert result.manifest.held_out_losses == due.manifest.held_out_losses


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(2, id="in the first evaluation"),
        pytest.param(4, id="before a step"),
        pytest.param(7, id="in a step"),
        pytest.param(13, id="in the second evaluation"),
    ],
)
def test_a_cancelled_training_goes_on_to_the_same_bits(
    call: int, tmp_path: Path, uninterrupted: Path
) -> None:
    result = train(
        tiny_model(),
        examples(8),
        SETTINGS,
        folder=tmp_path,
        held_out=examples(3),
        cancelled=cancelled_at(call),
    )
    assert isinstance(result, Cancelled)
    assert result.num_steps == 8
    assert not (tmp_path / "manifest.json").exists()
    assert isinstance(go_on(tmp_path), Tuned)
    assert same_bits(tmp_path, uninterrupted)


def test_a_cancelled_training_loses_no_step(tmp_path: Path) -> None:
    told: list[Progress] = []
    for call in (6, 4, 1000):
        train(
            tiny_model(),
            examples(8),
            SETTINGS,
            folder=tmp_path,
            progress=told.append,
            cancelled=cancelled_at(call),
        )
    assert [each.step for each in told] == list(range(1, 9))


def test_a_finished_training_is_not_done_again(uninterrupted: Path) -> None:
    result = train(
        tiny_model(),
        examples(8),
        SETTINGS,
        folder=uninterrupted,
        held_out=examples(3),
        progress=killed_after(1),
    )
    assert isinstance(result, Tuned)


def test_checkpoints_are_the_last_two_with_nothing_that_runs_code(stopped: Path) -> None:
    kept = sorted((stopped / "checkpoints").iterdir())
    # Every third step and the end of the first epoch; the oldest of the three is gone.
    assert [each.name for each in kept] == ["step-000004", "step-000006"]
    for checkpoint in kept:
        assert sorted(each.name for each in checkpoint.iterdir()) == [
            "adapter_config.json",
            "adapter_model.safetensors",
            "checkpoint.json",
            "optimizer.safetensors",
        ]


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.safetensors"])
def test_a_damaged_checkpoint_is_passed_over(
    name: str, tmp_path: Path, stopped: Path, uninterrupted: Path
) -> None:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    last = tmp_path / "checkpoints" / "step-000006" / name
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    last.write_bytes(data)
    go_on(tmp_path)
    assert same_bits(tmp_path, uninterrupted)


def test_a_checkpoint_that_was_being_written_is_passed_over(
    tmp_path: Path, stopped: Path, uninterrupted: Path
) -> None:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    last = tmp_path / "checkpoints" / "step-000006"
    shutil.copytree(last, tmp_path / "checkpoints" / ".checkpoint-left" / "made")
    (last / "checkpoint.json").unlink()
    go_on(tmp_path)
    assert same_bits(tmp_path, uninterrupted)


def test_without_a_whole_checkpoint_it_begins_anew(
    tmp_path: Path, stopped: Path, uninterrupted: Path
) -> None:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    for record in (tmp_path / "checkpoints").glob("*/checkpoint.json"):
        record.write_text("{}")
    go_on(tmp_path)
    assert same_bits(tmp_path, uninterrupted)


OTHERS = pytest.mark.parametrize(
    "change",
    [
        pytest.param({"settings": SETTINGS.model_copy(update={"rank": 8})}, id="settings"),
        pytest.param({"examples": examples(7)}, id="corpus"),
        pytest.param({"examples": examples(8)[::-1]}, id="order of the corpus"),
        pytest.param({"held_out": examples(2)}, id="held-out examples"),
        pytest.param({"model": tiny_model(llama_config(tied=False))}, id="base model"),
    ],
)


def other(folder: Path, change: dict[str, object]) -> None:
    given: dict[str, object] = {
        "model": tiny_model(),
        "examples": examples(8),
        "settings": SETTINGS,
        "held_out": examples(3),
    }
    train(folder=folder, **{**given, **change})  # type: ignore[arg-type]


@OTHERS
def test_a_checkpoint_of_another_training_is_refused_and_kept(
    change: dict[str, object], tmp_path: Path, stopped: Path
) -> None:
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    with pytest.raises(ConfigError, match="checkpoints of another training"):
        other(tmp_path, change)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2


@OTHERS
def test_a_finished_adapter_of_another_training_is_refused_and_kept(
    change: dict[str, object], uninterrupted: Path
) -> None:
    before = weights(uninterrupted)
    with pytest.raises(ConfigError, match="a finished adapter of another"):
        other(uninterrupted, change)
    assert weights(uninterrupted).keys() == before.keys()


def test_the_name_of_the_model_is_none_of_the_identity(uninterrupted: Path) -> None:
    model = replace(tiny_model(), name="moved")
    other(uninterrupted, {"model": model})


def test_the_optimisers_state_is_whole(stopped: Path) -> None:
    checkpoint = stopped / "checkpoints" / "step-000006"
    state = load_file(checkpoint / "optimizer.safetensors")
    kinds = {name.partition("|")[0] for name in state}
    assert kinds == {"exp_avg", "exp_avg_sq", "step", "rng.cpu"}
    assert json.loads((checkpoint / "checkpoint.json").read_text())["position"]["step"] == 6
