"""Faults of the disk in words."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from deltanas_repo_store.errors import ConfigError


@contextmanager
def writing(folder: Path) -> Generator[None]:
    """Say where it was, when writing fails.

    Raises:
        ConfigError: the folder cannot be written, or the disk is full.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"the adapter cannot be written in {folder}: {error}; free the disk or name another "
            "folder, and the same call goes on from the last checkpoint"
        ) from error
