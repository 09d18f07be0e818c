"""Trains an adapter on examples, or goes on with what was begun."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record
from deltanas_tools.finetune_lora.batches import Encoded, encode
from deltanas_tools.finetune_lora.disk import writing
from deltanas_tools.finetune_lora.example import Example
from deltanas_tools.finetune_lora.lora import (
    adapted,
    adapted_modules,
    has_tied_head,
    save_adapter,
    trainable,
)
from deltanas_tools.finetune_lora.manifest import (
    Base,
    Manifest,
    Origin,
    examples_hash,
    read_manifest,
    versions,
    write_manifest,
)
from deltanas_tools.finetune_lora.run import Progress, Run, Stopped, Task
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.language_models.fingerprint import fingerprint
from deltanas_tools.language_models.model import LanguageModel

_CHECKPOINTS = "checkpoints"


class Tuned(Record):
    """A finished adapter: ``folder`` holds it as PEFT loads it, with its manifest."""

    folder: Path
    manifest: Manifest


class Cancelled(Record):
    """A training that was stopped; the same call goes on from its checkpoint."""

    folder: Path
    step: int
    """Steps of the optimiser that are done."""
    num_steps: int


def train(
    model: LanguageModel,
    examples: Sequence[Example],
    settings: LoraSettings,
    *,
    folder: Path,
    held_out: Sequence[Example] = (),
    progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
    checkpoint_every: int = 50,
) -> Tuned | Cancelled:
    """Train an adapter into ``folder``, or go on with what was begun there.

    The model is left without the adapter and computes what it did; its parameters stay frozen.

    Args:
        model: The base model; the adapter is trained on its device.
        examples: What to learn.
        settings: How.
        folder: Gets the adapter, its manifest and, until it is done, checkpoints.
        held_out: What the loss is measured on before the first epoch and after each.
        progress: Is told of every step of the optimiser.
        cancelled: Is asked before every micro-batch.
        checkpoint_every: Steps from one checkpoint to the next; every epoch ends with one.

    Raises:
        ConfigError: the examples are too few, the model lacks the layers, or ``folder`` holds
            another training.
        ProposerError: the loss is not a number, or memory does not suffice.
    """
    limit = min(settings.max_tokens, model.context)
    encoded = encode(model, examples, max_tokens=limit)
    held = encode(model, held_out, max_tokens=limit)
    _check_enough(encoded, held, limit)
    origin = Origin(
        base=_base(model),
        corpus_hash=examples_hash(examples),
        held_out_hash=examples_hash(held_out),
        settings=settings,
    )
    finished = _finished(folder, origin)
    if finished is not None:
        return finished
    task = Task(
        sequences=encoded.sequences,
        held_out=held.sequences,
        settings=settings,
        identity=origin.identity,
        checkpoints=folder / _CHECKPOINTS,
        checkpoint_every=checkpoint_every,
    )
    device = model.model.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(settings.seed)
        with adapted(model, settings) as peft_model:
            run = Run(peft_model, task, progress=progress, cancelled=cancelled)
            try:
                run.finish()
            except Stopped:
                return Cancelled(folder=folder, step=run.position.step, num_steps=run.num_steps)
            with writing(folder):
                save_adapter(peft_model, folder)
            manifest = _manifest(origin, encoded, held, peft_model, run)
    write_manifest(manifest, folder)
    shutil.rmtree(task.checkpoints)
    return Tuned(folder=folder, manifest=manifest)


def _check_enough(encoded: Encoded, held: Encoded, limit: int) -> None:
    num_used = len(encoded.sequences)
    if num_used < 2:
        raise ConfigError(
            f"expected at least 2 examples of at most {limit} tokens to tune on, found {num_used}, "
            f"and {encoded.num_too_long} longer ones; build a larger corpus, or raise max_tokens "
            "as far as the model's context allows"
        )
    if held.num_too_long and not held.sequences:
        raise ConfigError(
            f"none of the {held.num_too_long} held-out examples has at most {limit} tokens; raise "
            "max_tokens as far as the model's context allows, or hold out shorter ones"
        )


def _base(model: LanguageModel) -> Base:
    return Base(
        name=model.name,
        revision=getattr(model.model.config, "_commit_hash", None) or "",
        fingerprint=fingerprint(model.model),
        tied_head=has_tied_head(model.model),
    )


def _finished(folder: Path, origin: Origin) -> Tuned | None:
    manifest = read_manifest(folder)
    if manifest is None:
        return None
    if manifest.origin.identity != origin.identity:
        raise ConfigError(
            f"{folder} holds a finished adapter of another base model, corpus or settings; "
            "train into another folder"
        )
    return Tuned(folder=folder, manifest=manifest)


def _manifest(
    origin: Origin, encoded: Encoded, held: Encoded, peft_model: Any, run: Run
) -> Manifest:
    return Manifest(
        origin=origin,
        num_examples=len(encoded.sequences),
        num_too_long=encoded.num_too_long,
        num_held_out=len(held.sequences),
        num_held_out_too_long=held.num_too_long,
        num_tokens=sum(len(each.tokens) for each in encoded.sequences),
        num_targets=sum(each.num_targets for each in encoded.sequences),
        adapted_modules=adapted_modules(peft_model),
        num_trainable=sum(each.numel() for each in trainable(peft_model).values()),
        num_steps=run.num_steps,
        losses=run.position.losses,
        held_out_losses=run.position.held_out_losses,
        micro_batch=run.position.micro_batch,
        gradient_checkpointing=run.position.gradient_checkpointing,
        seconds=run.position.seconds,
        device=str(peft_model.device),
        versions=versions(),
    )
