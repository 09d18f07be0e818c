"""The state of a training on disk, complete or not there.

Tensors are safetensors, the rest is JSON: nothing that is read can run code. The adapter of every
checkpoint is one that PEFT loads.
"""

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record
from deltanas_tools.datasets.scratch import scratch_folder
from deltanas_tools.finetune_lora.disk import writing
from deltanas_tools.finetune_lora.lora import WEIGHTS, load_adapter, save_adapter, trainable

logger = logging.getLogger(__name__)

KEPT = 2
_STATE = "optimizer.safetensors"
_RECORD = "checkpoint.json"


class Position(Record):
    """How far a training is."""

    step: int = 0
    """Steps of the optimiser that are done."""
    micro_batch: int
    """Examples at once; fewer than was set where memory did not suffice."""
    gradient_checkpointing: bool
    epoch_loss: float = 0.0
    """Sum over the targets of this epoch so far, in nats."""
    epoch_targets: int = 0
    losses: tuple[float, ...] = ()
    held_out_losses: tuple[float, ...] = ()
    seconds: float = 0.0


class _Saved(Record):
    identity: str
    position: Position
    digests: dict[str, str]


def save(
    folder: Path,
    peft_model: Any,
    optimizer: torch.optim.Optimizer,
    position: Position,
    identity: str,
) -> None:
    """Write a checkpoint and remove all but the last two.

    Args:
        folder: Where the checkpoints are.
        peft_model: The model with its adapter.
        optimizer: Over ``trainable(peft_model)``.
        position: How far the training is.
        identity: What a training must be to go on from here.

    Raises:
        ConfigError: the folder cannot be written; the checkpoints before are as they were.
    """
    final = folder / f"step-{position.step:06d}"
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write(final, peft_model, optimizer, position, identity)
        for old in _all(folder)[:-KEPT]:
            shutil.rmtree(old)


def restore(
    folder: Path, peft_model: Any, optimizer: torch.optim.Optimizer, identity: str
) -> Position | None:
    """Return to the last checkpoint that is whole; None where there is none.

    The state of torch's random numbers is restored too.

    Raises:
        ConfigError: the checkpoints are another training's.
    """
    for checkpoint in reversed(_all(folder)):
        saved = _read(checkpoint)
        if saved is None:
            logger.warning("checkpoint damaged, taking the one before", extra={"at": checkpoint})
            continue
        if saved.identity != identity:
            raise ConfigError(
                f"{folder} holds checkpoints of another training (another base model, corpus or "
                "settings); train into another folder, or remove it to start anew"
            )
        load_adapter(peft_model, checkpoint)
        _load_state(peft_model, optimizer, load_file(checkpoint / _STATE))
        return saved.position
    return None


def _write(
    final: Path,
    peft_model: Any,
    optimizer: torch.optim.Optimizer,
    position: Position,
    identity: str,
) -> None:
    # Beside its final place: a folder can only be renamed within a file system.
    with scratch_folder(final.parent, "checkpoint") as scratch:
        made = scratch / "made"
        made.mkdir()
        save_adapter(peft_model, made)
        save_file(_state(peft_model, optimizer), made / _STATE)
        digests = {name: _digest(made / name) for name in (WEIGHTS, _STATE)}
        saved = _Saved(identity=identity, position=position, digests=digests)
        (made / _RECORD).write_text(saved.model_dump_json(indent=2) + "\n")
        if final.exists():
            final.rename(scratch / "replaced")
        made.rename(final)


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the state of the generators that dropout draws from, on this device and the CPU."""
    states = {"rng.cpu": torch.get_rng_state()}
    if device.type == "cuda":
        states["rng.cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_random_state(states: dict[str, torch.Tensor], device: torch.device) -> None:
    """Return the generators to a state."""
    torch.set_rng_state(states["rng.cpu"])
    if "rng.cuda" in states and device.type == "cuda":
        torch.cuda.set_rng_state(states["rng.cuda"], device)


def _state(peft_model: Any, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Return the optimiser's tensors, named ``moment.parameter``, and the random numbers'."""
    tensors = dict(random_state(peft_model.device))
    for name, parameter in trainable(peft_model).items():
        for key, tensor in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}|{name}"] = tensor.detach().cpu().contiguous()
    return tensors


def _load_state(
    peft_model: Any, optimizer: torch.optim.Optimizer, tensors: dict[str, torch.Tensor]
) -> None:
    parameters = trainable(peft_model)
    for key, tensor in tensors.items():
        moment, bar, name = key.partition("|")
        if bar:
            parameter = parameters[name]
            # AdamW counts its steps on the CPU.
            place = tensor.device if moment == "step" else parameter.device
            optimizer.state[parameter][moment] = tensor.to(place)
    set_random_state(tensors, peft_model.device)


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"))


def _read(checkpoint: Path) -> _Saved | None:
    """Return what a checkpoint says, or None where it is not whole."""
    try:
        saved = _Saved.model_validate_json((checkpoint / _RECORD).read_bytes())
        whole = all(_digest(checkpoint / name) == due for name, due in saved.digests.items())
    except (OSError, ValidationError):
        return None
    return saved if whole else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
