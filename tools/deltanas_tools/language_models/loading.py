"""Loads language models: from the hub, a folder, a GGUF file, or the package that comes with one.

No code that comes with a model is run, and no pickle is read.
"""

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.datasets import Progress, silent
from deltanas_tools.language_models.adapters import attach_adapter
from deltanas_tools.language_models.converting import convert
from deltanas_tools.language_models.hub import hub_folder
from deltanas_tools.language_models.model import LanguageModel
from deltanas_tools.language_models.packaged import PACKAGES, packaged_folder
from deltanas_tools.language_models.reading import READING, quietly
from deltanas_tools.language_models.records import ModelSpec
from deltanas_tools.language_models.shared_prompt import check_attention

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?<!\.gguf)")
_NAME_LENGTH = 48
"""Characters of a model's name, so that with an adapter's it stays within 64."""


def load_language_model(
    spec: ModelSpec, *, cache: Path, progress: Progress = silent
) -> LanguageModel:
    """Load a language model, ready to answer.

    Args:
        spec: Which, and how it is held in memory.
        cache: Folder in which converted GGUF files are kept, and where packaged models were
            fetched to.
        progress: Told how far the reading of a GGUF file is.

    Raises:
        ConfigError: there is no such model or adapter, it cannot be used for chats, or it cannot
            be held in memory as asked.
    """
    _check_device(spec)
    folder = _folder(spec, cache, progress)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        _check_tokenizer(tokenizer, spec)
        model = _load(spec, folder)
    except torch.OutOfMemoryError as error:
        raise ConfigError(
            f"{spec.model} does not fit in the memory of {spec.device} as {_dtype(spec)}; "
            "four_bit = true takes a quarter of it"
        ) from error
    except READING as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise ConfigError(
            f"the language model {spec.model!r} in {folder} cannot be loaded: {reason}"
        ) from error
    context = _context(model, spec)
    name = _name(spec)
    if spec.adapter is not None:
        model = attach_adapter(model, spec.adapter, name=spec.model, four_bit=spec.four_bit)
        name = f"{name}-lora-{_digest(spec.adapter)}"
    check_attention(model)
    return LanguageModel(name=name, context=context, tokenizer=tokenizer, model=model)


def _check_device(spec: ModelSpec) -> None:
    if spec.device != "cpu":
        index = int(spec.device.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise ConfigError(
                f"there is no device {spec.device}: PyTorch sees {torch.cuda.device_count()} GPUs; "
                'device = "cpu" works everywhere'
            )
    if spec.four_bit and spec.device == "cpu":
        raise ConfigError('four_bit needs a GPU: set device = "cuda", or four_bit = false')
    if spec.four_bit and importlib.util.find_spec("bitsandbytes") is None:
        raise ConfigError(
            "four_bit needs the package bitsandbytes, which is not installed; "
            "`pip install 'deltanas-mcp[quant]'` installs it"
        )


def _folder(spec: ModelSpec, cache: Path, progress: Progress) -> Path:
    """Return the folder with the model's weights, configuration and tokenizer."""
    path = Path(spec.model).expanduser()
    is_local = True
    if spec.model in PACKAGES:
        folder = packaged_folder(spec.model, cache=cache)
    elif path.is_dir():
        folder = path
    elif path.is_file() and path.suffix == ".gguf":
        folder = convert(path, cache=cache, progress=progress)
    elif _HUB_ID.fullmatch(spec.model) and not path.exists():
        folder, is_local = hub_folder(spec.model, spec.revision), False
    else:
        raise ConfigError(
            f"there is no language model {spec.model!r}: it has to be a folder, a .gguf file, an "
            f"id of the Hugging Face hub such as Qwen/Qwen2.5-Coder-7B-Instruct, or one of: "
            f"{', '.join(PACKAGES)}"
        )
    if is_local and spec.revision is not None:
        raise ConfigError(
            f"{spec.model!r} is not on the Hugging Face hub and has no revision "
            f"{spec.revision!r}; leave revision out"
        )
    _check_files(folder)
    return folder


def _check_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ConfigError(f"the folder {folder} holds no language model: it has no config.json")
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"the folder {folder} has no weights as .safetensors; other formats are not loaded, "
            "as they can run code"
        )


def _check_tokenizer(tokenizer: Any, spec: ModelSpec) -> None:
    if tokenizer.chat_template is None:
        raise ConfigError(
            f"the tokenizer of {spec.model!r} has no chat template: it is a base model, or the "
            "file chat_template.jinja is missing; choose its instruct or chat variant"
        )
    if not tokenizer.is_fast:
        raise ConfigError(
            f"the tokenizer of {spec.model!r} has no tokenizer.json, from which a grammar learns "
            "its tokens; save it once as a fast tokenizer"
        )


def _load(spec: ModelSpec, folder: Path) -> Any:
    quantisation = (
        BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
        if spec.four_bit
        else None
    )
    with quietly():
        model, found = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=_dtype(spec),
            quantization_config=quantisation,
            device_map={"": spec.device},
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    if found["missing_keys"]:
        # transformers would go on with random numbers.
        missing = sorted(found["missing_keys"])
        raise ConfigError(
            f"{len(missing)} weights of {spec.model!r} are missing, such as {missing[0]}; "
            "fetch the model again"
        )
    return model.eval()


def _dtype(spec: ModelSpec) -> torch.dtype:
    if spec.dtype != "auto":
        return torch.float32 if spec.dtype == "float32" else torch.bfloat16
    fast = spec.device != "cpu" or _cpu_has_bfloat16()
    return torch.bfloat16 if fast else torch.float32


def _cpu_has_bfloat16() -> bool:
    """Tell whether the CPU computes with bfloat16; where it does not, it is 20 times slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def _context(model: Any, spec: ModelSpec) -> int:
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    context = spec.context or limit
    if context is None:
        raise ConfigError(f"{spec.model!r} does not say how long its context is; set context")
    if limit is not None and context > limit:
        raise ConfigError(
            f"{spec.model!r} was made for {limit} tokens of context, and {context} are asked for"
        )
    return int(context)


def _name(spec: ModelSpec) -> str:
    """Return the last part of the model's id or path, with nothing in it that a name has not."""
    last = Path(spec.model).expanduser().resolve().name if "/" in spec.model else spec.model
    parts = re.findall(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*", last.removesuffix(".gguf"))
    name = "-".join(parts)[:_NAME_LENGTH].rstrip("._-")
    return name or "model"


def _digest(adapter: Path) -> str:
    with (adapter / "adapter_model.safetensors").open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:8]
