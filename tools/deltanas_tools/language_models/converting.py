"""Turns GGUF files into what transformers loads, once for each file.

transformers dequantises a GGUF file whenever it loads it, for tens of seconds, and marks the model
as one that can be neither saved nor trained; `_convert` takes that mark away.
"""

import hashlib
import os
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.datasets import Progress, silent
from deltanas_tools.datasets.scratch import scratch_folder
from deltanas_tools.language_models.reading import READING, quietly

VERSION = 1
"""Of what is written; a folder of another version is made anew."""
_CHUNK = 2**22


def converted(sha256: str, cache: Path) -> Path:
    """Return the folder of the converted file with this hash; it may not be there."""
    return cache / "models" / f"{sha256}-v{VERSION}"


def convert(file: Path, *, cache: Path, progress: Progress = silent) -> Path:
    """Return a folder with the file's weights in float32, its tokenizer and its chat template.

    Raises:
        ConfigError: the file cannot be read, or is of an architecture that transformers cannot
            convert; or the folder cannot be written.
    """
    try:
        folder = converted(sha256_of(file, progress), cache)
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder.parent, folder.name) as scratch:
            made = scratch / "made"
            progress(f"convert {file.name}", 0, None)
            _convert(file, made)
            _put(made, folder)
    except READING as error:
        raise ConfigError(
            f"the GGUF file {file} cannot be converted into {cache}: {error}; a llama.cpp server "
            'can serve it, with proposer = "openai"'
        ) from error
    return folder


def sha256_of(file: Path, progress: Progress = silent) -> str:
    """Return the SHA-256 of a file, which need not fit in memory."""
    digest, total = hashlib.sha256(), file.stat().st_size
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            progress(f"check {file.name}", stream.tell(), total)
    return digest.hexdigest()


def _convert(file: Path, folder: Path) -> None:
    # Its bar for converting cannot be switched off.
    with quietly(), redirect_stderr(StringIO()):
        model: Any = AutoModelForCausalLM.from_pretrained(
            file.parent, gguf_file=file.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name)
        model.hf_quantizer = None
        del model.config.quantization_config
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _put(made: Path, folder: Path) -> None:
    """Move a finished folder to its place, unless somebody else's is there already."""
    for path in made.iterdir():
        # Without it, a crash of the machine could leave the folder with empty files.
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
