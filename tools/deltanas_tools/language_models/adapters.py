"""Puts a LoRA adapter on the language model that it was trained for, and on no other."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

from peft import PeftModel, get_peft_model_state_dict
from safetensors import safe_open

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.language_models.fingerprint import fingerprint
from deltanas_tools.language_models.reading import READING

_WEIGHTS = "adapter_model.safetensors"
_CONFIG = "adapter_config.json"
_MANIFEST = "manifest.json"
_HUB_ID = re.compile(r"[^/\\]+/[^/\\]+")


def attach_adapter(model: Any, folder: Path, *, name: str, four_bit: bool) -> Any:
    """Return the model with the adapter in the folder, ready to answer.

    ``name`` is what the model was asked for by, such as an id of the hub.

    Raises:
        ConfigError: the folder holds no LoRA adapter as safetensors, or one for another model.
    """
    try:
        config = json.loads((folder / _CONFIG).read_bytes())
        _check_kind(config, folder)
        if (folder / _MANIFEST).exists():
            _check_weights(model, folder, four_bit=four_bit)
        else:
            _check_name(name, config, folder)
        with warnings.catch_warnings():
            # What fits and what does not is checked below, from the weights themselves.
            warnings.simplefilter("ignore")
            adapted = PeftModel.from_pretrained(model, folder)
        _check_complete(adapted, folder)
    except READING as error:
        raise ConfigError(
            f"the adapter in {folder} does not fit the language model: {error}; load the model "
            "that it was trained for"
        ) from error
    return adapted.eval()


def _check_kind(config: dict[str, Any], folder: Path) -> None:
    if config.get("peft_type") != "LORA":
        raise ConfigError(
            f"{folder / _CONFIG} describes an adapter of the kind {config.get('peft_type')!r}; "
            "only LORA can be used"
        )
    if not (folder / _WEIGHTS).is_file():
        raise ConfigError(
            f"{folder} has no {_WEIGHTS}; weights in any other format are not loaded, as they can "
            "run code"
        )


def _check_weights(model: Any, folder: Path, *, four_bit: bool) -> None:
    """Compare the weights with those that one of our own adapters was trained on."""
    origin = json.loads((folder / _MANIFEST).read_bytes())["origin"]
    if origin["settings"]["four_bit"] != four_bit:
        return  # the same weights have other fingerprints in 4 bits
    if origin["base"]["fingerprint"] != fingerprint(model):
        raise ConfigError(
            f"the adapter in {folder} was trained on {origin['base']['name']!r}, which has other "
            "weights than this language model; load that model"
        )


def _check_name(name: str, config: dict[str, Any], folder: Path) -> None:
    """Compare the hub's ids, of which other owners' copies have the same last part."""
    base = config.get("base_model_name_or_path") or ""
    ids = [name, base]
    if (
        all(_HUB_ID.fullmatch(each) for each in ids)
        and len({each.split("/")[1] for each in ids}) > 1
    ):
        raise ConfigError(
            f"the adapter in {folder} was trained on {base!r}, not on {name!r}; where both have "
            f"the same weights, correct base_model_name_or_path in its {_CONFIG}"
        )


def _check_complete(adapted: Any, folder: Path) -> None:
    """Check that the file holds just the weights that the adapter has on this model."""
    with safe_open(folder / _WEIGHTS, framework="pt") as file:
        there = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    weights = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    wanted = {name: tuple(each.shape) for name, each in weights.items()}
    different = {
        name for name in there | wanted if "lora_" in name and there.get(name) != wanted.get(name)
    }
    if different:
        raise ConfigError(
            f"the adapter in {folder} is not one for this language model: {len(different)} of its "
            f"weights differ in name or shape, such as {min(different)}"
        )
