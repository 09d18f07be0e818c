"""Attaches an adapter to a language model, and writes and reads its weights.

PEFT alone: of TRL's trainer this would use the loop, which cannot be resumed to the bit, keeps
its optimiser's state as a pickle and has no way of making a micro-batch smaller in the middle.
"""

import json
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.finetune_lora.settings import LoraSettings
from deltanas_tools.language_models.model import LanguageModel

WEIGHTS = "adapter_model.safetensors"


@contextmanager
def adapted(model: LanguageModel, settings: LoraSettings) -> Generator[Any]:
    """Give a fresh adapter to the model, and take it off at the end.

    Afterwards the model computes what it did before; its parameters stay frozen.

    Raises:
        ConfigError: the model has an adapter already, or lacks a layer that is to be adapted.
    """
    base = model.model
    _check(model, settings)
    was_training = base.training
    with warnings.catch_warnings():
        # It warns of merging. An adapter of a head that shares its weights with the embedding
        # changes the head alone, here and wherever PEFT loads it; `Manifest` says it is shared.
        warnings.filterwarnings("ignore", message="Model has `tie_word_embeddings=True`")
        # PEFT 0.21 asks transformers 5.24 by the old name.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing` is deprecated")
        peft_model = get_peft_model(base, _config(base, settings))
    try:
        yield peft_model
    finally:
        base.activation_checkpointing_disable()
        peft_model.unload()
        base.train(was_training)


def adapted_modules(peft_model: Any) -> tuple[str, ...]:
    """Return the base model's names of the layers that have LoRA weights, in its order."""
    return tuple(
        name.removeprefix("base_model.model.")
        for name, module in peft_model.named_modules()
        if isinstance(module, LoraLayer)
    )


def has_tied_head(model: Any) -> bool:
    """Tell whether the head's weights are the embedding's."""
    head = model.get_output_embeddings()
    return head is not None and head.weight is model.get_input_embeddings().weight


def save_adapter(peft_model: Any, folder: Path) -> None:
    """Write the adapter as PEFT does, without the base model's head.

    PEFT by itself adds the head's own weights to the file where the head is adapted (113 MB for
    SmolLM2), although they are the base model's.
    """
    weights = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    tensors = {name: weights[name].detach().cpu().contiguous() for name in sorted(weights)}
    config = peft_model.peft_config["default"].to_dict()
    # Sets, so that two runs would differ in their order.
    listed = {key: sorted(each) if isinstance(each, set) else each for key, each in config.items()}
    text = json.dumps({**listed, "inference_mode": True}, indent=2, sort_keys=True)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    (folder / "adapter_config.json").write_text(text + "\n")


def load_adapter(peft_model: Any, folder: Path) -> None:
    """Give the adapter the weights in ``folder``."""
    set_peft_model_state_dict(peft_model, load_file(folder / WEIGHTS))


def trainable(peft_model: Any) -> dict[str, torch.nn.Parameter]:
    """Return the parameters that are trained, by name."""
    return {name: each for name, each in peft_model.named_parameters() if each.requires_grad}


def _check(model: LanguageModel, settings: LoraSettings) -> None:
    base = model.model
    if hasattr(base, "peft_config"):
        raise ConfigError(
            f"{model.name} carries an adapter already; load it without one to train another"
        )
    linear = _last_names(base)
    missing = [target for target in settings.targets if target not in linear]
    if missing:
        raise ConfigError(
            f"{model.name} has no layers {', '.join(missing)} to adapt; "
            f"its linear layers are: {', '.join(linear)}"
        )
    if bool(getattr(base, "is_loaded_in_4bit", False)) != settings.four_bit:
        loaded = "without" if settings.four_bit else "with"
        raise ConfigError(
            f"four_bit is {settings.four_bit}, and {model.name} was loaded {loaded} 4-bit weights; "
            "the loader and the training must be told the same"
        )


def _last_names(base: Any) -> Sequence[str]:
    return sorted(
        {
            name.rpartition(".")[2]
            for name, module in base.named_modules()
            if isinstance(module, torch.nn.Linear)
        }
    )


def _config(base: Any, settings: LoraSettings) -> LoraConfig:
    num_layers = base.config.get_text_config().num_hidden_layers
    layers = None if settings.layers is None else list(range(min(settings.layers, num_layers)))
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        bias="none",
        target_modules=list(settings.targets),
        layers_to_transform=layers,
    )
