"""LoRA adapters on the servers that can have them. `openai.APIError` passes through."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import openai
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from deltanas_repo_store.errors import ConfigError, ProposerError
from deltanas_tools.chat_servers.spec import ServerSpec

START_WITH = {
    "vllm": "--enable-lora --max-lora-rank 32 and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True",
    "sglang": "--enable-lora --max-lora-rank 32 --lora-target-modules all",
}
"""What a server is started with so that adapters can be loaded; 32 is the paper's rank."""


_NO_SUCH_PAGE = '{"detail":"NotFound"}'
"""What FastAPI, which both are made with, says of an address that it does not know."""


class _Loaded(BaseModel):
    id: Annotated[int, Field(ge=0)]
    path: Path


_LOADED = TypeAdapter(tuple[_Loaded, ...])


def load(client: openai.OpenAI, spec: ServerSpec, name: str, path: Path) -> None:
    """Make ``name`` stand for the adapter at ``path``, which the server must be able to read.

    llama.cpp is given its adapters when it starts; there it is only checked that it has this one.

    Raises:
        ConfigError: this server cannot load adapters.
    """
    if spec.flavour == "llama.cpp":
        _find(_loaded(client, spec), spec, name)
        return
    body = {"lora_name": name, "lora_path": str(path)}
    try:
        _post(client, spec, "load_lora_adapter", body)
    except openai.BadRequestError as error:
        # The name may stand for another file: an earlier run's, or the last cycle's.
        if "already" not in error.response.text:
            raise
        unload(client, spec, name)
        _post(client, spec, "load_lora_adapter", body)


def unload(client: openai.OpenAI, spec: ServerSpec, name: str) -> None:
    """Take an adapter off the server.

    Raises:
        ConfigError: this server cannot unload adapters.
    """
    _post(client, spec, "unload_lora_adapter", {"lora_name": name})


def request_fields(client: openai.OpenAI, spec: ServerSpec) -> dict[str, object]:
    """Return what a request says about adapters beside the name of the model.

    For llama.cpp: the weight of each of its adapters, since one that a request does not mention
    keeps the weight that the server was started with, which is 1. An empty list it overlooks.

    Raises:
        ConfigError: the server does not have the adapter.
        ProposerError: it sends nonsense.
    """
    if spec.flavour != "llama.cpp":
        return {}
    try:
        loaded = _loaded(client, spec)
    except openai.NotFoundError:  # other programs with llama.cpp inside
        loaded = ()
    chosen = None if spec.adapter is None else _find(loaded, spec, spec.adapter)
    weights = [{"id": each.id, "scale": 1.0 if each is chosen else 0.0} for each in loaded]
    return {"lora": weights} if weights else {}


def _loaded(client: openai.OpenAI, spec: ServerSpec) -> tuple[_Loaded, ...]:
    text = client.get(f"{_root(spec)}/lora-adapters", cast_to=str)
    try:
        return _LOADED.validate_json(text)
    except ValidationError:
        raise ProposerError(
            f"{_root(spec)}/lora-adapters is no list of adapters; is this llama.cpp's server?"
        ) from None


def _find(loaded: tuple[_Loaded, ...], spec: ServerSpec, name: str) -> _Loaded:
    for each in loaded:
        if each.path.stem == name:
            return each
    there = ", ".join(each.path.stem for each in loaded) or "none"
    raise ConfigError(
        f"the server at {spec.base_url} has no adapter {name} (it has: {there}); "
        f"start it with --lora {name}.gguf, which llama.cpp's convert_lora_to_gguf.py makes"
    )


def _post(client: openai.OpenAI, spec: ServerSpec, action: str, body: Mapping[str, str]) -> None:
    if spec.flavour not in START_WITH:
        raise ConfigError(
            f"the server at {spec.base_url} cannot load or unload adapters while it runs: "
            f"its flavour is {spec.flavour}; vllm and sglang can"
        )
    # SGLang has these beside /v1, vLLM below it.
    root = spec.base_url if spec.flavour == "vllm" else _root(spec)
    try:
        client.post(f"{root}/{action}", cast_to=str, body=dict(body))
    except openai.NotFoundError as error:
        if error.response.text.replace(" ", "") != _NO_SUCH_PAGE:
            raise  # the adapter or its file was not found
        raise ConfigError(
            f"the server at {spec.base_url} has no {action}; "
            f"start it with {START_WITH[spec.flavour]}"
        ) from None


def _root(spec: ServerSpec) -> str:
    return spec.base_url.removesuffix("/v1")
