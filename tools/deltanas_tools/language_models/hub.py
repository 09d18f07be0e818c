"""Gets language models from the Hugging Face hub, and only what is needed of them."""

import json
from contextlib import suppress
from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

from deltanas_repo_store.errors import ConfigError

_WEIGHTS = "model*.safetensors"
_FILES = ["*.json", "*.jinja", "*.txt", "*.model", _WEIGHTS]
"""Some repositories have the same weights a second time, in other formats and names."""


def hub_folder(model: str, revision: str | None) -> Path:
    """Return the folder of a model, fetching what is not here yet.

    What is here whole is used as it is, so that the hub is not asked again.

    Raises:
        ConfigError: it is not here, and the hub cannot be reached, does not have it, or does not
            give it to this user.
    """
    with suppress(LocalEntryNotFoundError):
        here = _snapshot(model, revision, local_files_only=True)
        if not _missing(here):
            return here
    try:
        folder = _snapshot(model, revision)
    except (OSError, HFValidationError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise ConfigError(
            f"the language model {model!r} is not on this machine, and the Hugging Face hub does "
            f"not give it: {reason}"
        ) from error
    missing = _missing(folder)
    if missing and any(folder.glob(_WEIGHTS)):
        # Where the hub is out of reach, what was left by a broken download comes back.
        raise ConfigError(
            f"the language model {model!r} lacks {missing[0]} in {folder}; load it again where "
            "the Hugging Face hub can be reached"
        )
    return folder


def _snapshot(model: str, revision: str | None, *, local_files_only: bool = False) -> Path:
    return Path(
        snapshot_download(
            model, revision=revision, allow_patterns=_FILES, local_files_only=local_files_only
        )
    )


def _missing(folder: Path) -> list[str]:
    """Return the files with weights that should be in the folder and are not."""
    index = folder / "model.safetensors.index.json"
    expected = {"model.safetensors"}
    if index.is_file():
        expected = set(json.loads(index.read_bytes())["weight_map"].values())
    return sorted(name for name in expected if not (folder / name).is_file())
