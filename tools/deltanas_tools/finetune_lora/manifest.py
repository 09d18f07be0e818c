"""What is written beside an adapter: where it comes from and how its training went."""

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pydantic import ValidationError

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Record
from deltanas_tools.finetune_lora.disk import writing
from deltanas_tools.finetune_lora.example import Example
from deltanas_tools.finetune_lora.settings import LoraSettings

MANIFEST = "manifest.json"


class Base(Record):
    """The language model that an adapter belongs to."""

    name: str
    revision: str
    """The hub's commit; empty for a model from a folder."""
    fingerprint: str
    """Of its weights, see `language_models.fingerprint`."""
    tied_head: bool
    """The head's weights are the embedding's: merging a head's adapter would change both."""


class Origin(Record):
    """All that decides what comes out of a training."""

    base: Base
    corpus_hash: str
    """SHA-256 over the examples in their order."""
    held_out_hash: str
    settings: LoraSettings

    @property
    def identity(self) -> str:
        """Digest by which a training finds out whether a checkpoint is its own."""
        # A model's name may be another tomorrow; its weights are what counts.
        return hashlib.sha256(self.model_dump_json(exclude={"base": {"name"}}).encode()).hexdigest()


class Manifest(Record):
    """The record of one training."""

    origin: Origin
    num_examples: int
    """Examples that were trained on."""
    num_too_long: int
    """Examples that were left out."""
    num_held_out: int
    num_held_out_too_long: int
    num_tokens: int
    """Tokens of one epoch, prompts included."""
    num_targets: int
    """Those of them that the loss is on."""
    adapted_modules: tuple[str, ...]
    """The layers that really have LoRA weights."""
    num_trainable: int
    num_steps: int
    losses: tuple[float, ...]
    """Mean over the targets of each epoch while it was trained, in nats per token."""
    held_out_losses: tuple[float, ...]
    """Before the first epoch and after each; empty without held-out examples."""
    micro_batch: int
    """Examples at once at the end; fewer than was set where memory did not suffice."""
    gradient_checkpointing: bool
    seconds: float
    """Wall time, interruptions apart."""
    device: str
    versions: dict[str, str]


def examples_hash(examples: Sequence[Example]) -> str:
    """Return the SHA-256 over the examples in their order."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(example.model_dump_json().encode() + b"\n")
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of what computed."""
    return {name: version(name) for name in ("torch", "transformers", "peft", "deltanas-mcp")}


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest in ``folder``; None where there is none.

    Raises:
        ConfigError: there is one, and it cannot be read.
    """
    path = folder / MANIFEST
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        raise ConfigError(
            f"{path} is not the manifest of an adapter: {error}; train into another folder"
        ) from error


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Write the manifest, whole or not at all.

    Raises:
        ConfigError: the folder cannot be written.
    """
    scratch = folder / f".{MANIFEST}"
    with writing(folder):
        scratch.write_text(manifest.model_dump_json(indent=2) + "\n")
        scratch.replace(folder / MANIFEST)
