"""The files of an adapter: PEFT's two and a manifest, checked before they are kept or used.

Only safetensors are taken: to open a pickle is to run what its writer wants. No weights are read
here, so that an adapter of 100 MB costs no memory.
Source: Hugging Face, "safetensors", section "Format"; PEFT, "PEFT checkpoint format".
"""

import json
import os
from pathlib import Path
from typing import IO, Any

from deltanas_repo_store.errors import ConfigError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
MANIFEST = "manifest.json"
FILES = frozenset({WEIGHTS, CONFIG, MANIFEST})

MAX_FACTS_BYTES = 1024 * 1024
"""Of a JSON file; they have some KiB."""
_MAX_HEADER_BYTES = 8 * 1024 * 1024
"""A hundred bytes a tensor, and an adapter of a 7B model has some hundred of them."""


def open_weights(folder: Path) -> IO[bytes]:
    """Open the weights of an adapter's folder.

    Raises:
        ConfigError: there are none, or they are no safetensors.
    """
    path = folder / WEIGHTS
    try:
        file = path.open("rb")
    except OSError as error:
        pickled = sorted(each.name for each in folder.glob("adapter_model.*"))
        found = f"it has {', '.join(pickled)}, which is not taken, since opening a pickle runs code"
        raise ConfigError(
            f"{folder} has no {WEIGHTS} ({error.strerror}): {found if pickled else 'nothing'}; "
            "`model.save_pretrained(folder)` of PEFT writes one"
        ) from error
    try:
        check_weights(file)
    except ValueError as error:
        file.close()
        raise ConfigError(
            f"{path} is no safetensors file: {error}; `model.save_pretrained(folder)` of PEFT "
            "writes one, and nothing else is taken, since opening a pickle runs code"
        ) from None
    return file


def check_weights(file: IO[bytes]) -> None:
    """Check weights by their header.

    Raises:
        ValueError: it is no header of safetensors, or not of a file of this size.
    """
    file.seek(0)
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(size - 8, _MAX_HEADER_BYTES):
        raise ValueError(f"its first 8 bytes are not the length of a header in {size} bytes")
    header = _object(file.read(length))
    header.pop("__metadata__", None)
    try:
        end = max(each["data_offsets"][1] for each in header.values())
    except (TypeError, LookupError, ValueError):
        raise ValueError("its header does not say where tensors are") from None
    if end != size - 8 - length:
        raise ValueError(f"its tensors need {end} bytes, and {size - 8 - length} are there")


def read_facts(folder: Path, name: str) -> bytes:
    """Return a JSON file of an adapter's folder.

    Raises:
        ConfigError: it is not there, or no JSON object.
    """
    path = folder / name
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FACTS_BYTES + 1)
    except OSError as error:
        wanted = ", ".join(sorted(FILES))
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}): an adapter is a folder with {wanted}"
        ) from error
    try:
        check_facts(data)
    except ValueError as error:
        raise ConfigError(f"{path} is not as an adapter has it: {error}") from None
    return data


def check_facts(data: bytes) -> None:
    """Check the bytes of a JSON file.

    Raises:
        ValueError: it is too large, or no JSON object.
    """
    if len(data) > MAX_FACTS_BYTES:
        raise ValueError(f"it has more than {MAX_FACTS_BYTES} bytes")
    _object(data)


def _object(data: bytes) -> dict[str, Any]:
    """Return the JSON object that data spells, or raise `ValueError`."""
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("it has no JSON object")  # noqa: TRY004 - of data, not of a caller
    return found
