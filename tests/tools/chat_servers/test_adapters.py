"""LoRA adapters on servers: loaded, named in requests, and refused where it cannot be."""

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from deltanas_repo_store.errors import ConfigError, ProposerError
from deltanas_tools.chat_servers import ServerSpec, Spent
from deltanas_tools.chat_servers.server import ChatServer
from deltanas_tools.chat_servers.spec import Flavour
from deltanas_tools.language_models.records import Message, Sampling
from tests.tools.chat_servers.scripted import Reply, Scripted, failure

PROMPT = (Message(role="user", text="Hello!"),)
DONE = Reply("Success: LoRA adapter 'night' added successfully.")
FILE = Path("/adapters/night")
LOADED = Reply(json.dumps([{"id": 0, "path": "/a/day.gguf"}, {"id": 1, "path": "/a/night.gguf"}]))
Connect = Callable[..., ChatServer]


@pytest.fixture
def to(scripted: Scripted) -> Generator[Connect]:
    opened: list[ChatServer] = []

    def open_one(flavour: Flavour, **settings: Any) -> ChatServer:
        known = {"base_url": scripted.url, "model": "base", "flavour": flavour, "max_retries": 0}
        spec = ServerSpec.model_validate(known | settings)
        opened.append(ChatServer(spec, api_key="", spent=Spent()))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.mark.parametrize(
    ("flavour", "root"), [pytest.param("vllm", "/v1", id="vLLM"), pytest.param("sglang", "")]
)
def test_an_adapter_is_loaded_and_taken_off_again(
    scripted: Scripted, to: Connect, flavour: Flavour, root: str
) -> None:
    scripted.script(f"{root}/load_lora_adapter", DONE)
    scripted.script(f"{root}/unload_lora_adapter", DONE)
    server = to(flavour)
    server.load_adapter("night", FILE)
    server.unload_adapter("night")
    assert [(each.path, each.body) for each in scripted.asked] == [
        (f"{root}/load_lora_adapter", {"lora_name": "night", "lora_path": str(FILE)}),
        (f"{root}/unload_lora_adapter", {"lora_name": "night"}),
    ]


def test_a_name_that_stands_for_another_adapter_is_taken_over(
    scripted: Scripted, to: Connect
) -> None:
    load, unload = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
    scripted.script(load, failure(400, "'night' has already been loaded"), DONE)
    scripted.script(unload, DONE)
    to("vllm").load_adapter("night", FILE)
    assert [each.path for each in scripted.asked] == [load, unload, load]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(failure(400, "rank 64 is above 16"), id="a rank that is too large"),
        pytest.param(failure(404, "no rank 64 in /adapters/night"), id="a file that is not there"),
    ],
)
def test_an_adapter_that_the_server_refuses_is_told_in_its_words(
    scripted: Scripted, to: Connect, reply: Reply
) -> None:
    scripted.script("/v1/load_lora_adapter", reply)
    with pytest.raises(ProposerError, match="rank 64"):
        to("vllm").load_adapter("night", FILE)


@pytest.mark.parametrize("flavour", ["vllm", "sglang"])
def test_a_server_that_was_started_without_adapters_is_told_how_to_start(
    to: Connect, flavour: Flavour
) -> None:
    with pytest.raises(ConfigError, match="start it with --enable-lora"):
        to(flavour).load_adapter("night", FILE)


@pytest.mark.parametrize(
    ("flavour", "settings", "sent"),
    [
        ("vllm", {"adapter": "night"}, {"model": "night"}),
        ("sglang", {"adapter": "night"}, {"model": "base:night"}),
        (
            "llama.cpp",
            {"adapter": "night"},
            {"model": "base", "lora": [{"id": 0, "scale": 0.0}, {"id": 1, "scale": 1.0}]},
        ),
        (
            "llama.cpp",
            {},
            {"model": "base", "lora": [{"id": 0, "scale": 0.0}, {"id": 1, "scale": 0.0}]},
        ),
        ("vllm", {}, {"model": "base"}),
    ],
)
def test_requests_name_the_adapter_as_the_server_wants_it(
    scripted: Scripted,
    to: Connect,
    flavour: Flavour,
    settings: dict[str, str],
    sent: dict[str, object],
) -> None:
    scripted.script("/lora-adapters", LOADED)
    to(flavour, **settings).complete(PROMPT, seeds=[1], sampling=Sampling())
    [body] = scripted.bodies()
    assert {key: value for key, value in body.items() if key in ("model", "lora")} == sent


def test_llama_cpp_has_the_adapters_it_was_started_with(scripted: Scripted, to: Connect) -> None:
    scripted.script("/lora-adapters", LOADED)
    server = to("llama.cpp", adapter="dawn")
    server.load_adapter("night", FILE)
    with pytest.raises(ConfigError, match=r"no adapter dawn \(it has: day, night\)"):
        server.load_adapter("dawn", FILE)
    with pytest.raises(ConfigError, match="no adapter dawn"):
        server.complete(PROMPT, seeds=[1], sampling=Sampling())
    with pytest.raises(ConfigError, match="cannot load or unload"):
        server.unload_adapter("night")


def test_another_server_is_not_taken_for_llama_cpp(scripted: Scripted, to: Connect) -> None:
    scripted.script("/lora-adapters", Reply("<html>"))
    with pytest.raises(ProposerError, match=r"is this llama\.cpp's server"):
        to("llama.cpp", adapter="night").complete(PROMPT, seeds=[1], sampling=Sampling())


def test_a_plain_server_loads_nothing(to: Connect) -> None:
    with pytest.raises(ConfigError, match="flavour is plain"):
        to("plain").load_adapter("night", FILE)
