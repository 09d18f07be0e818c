"""What a configuration may say about a server, and what the documentation shows of it."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from deltanas_tools.chat_servers import ServerSpec

DOCS = Path(__file__).parents[3] / "docs" / "servers.md"


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"base_url": "localhost:8000/v1"}, id="no scheme"),
        pytest.param({"base_url": "ftp://host/v1"}, id="another scheme"),
        pytest.param({"base_url": "http://"}, id="no host"),
        pytest.param({"base_url": "http://[::1/v1"}, id="half an address"),
        pytest.param({"base_url": "https://me:hunter2@host/v1"}, id="a password in the address"),
        pytest.param({"base_url": "https://host/v1?key=hunter2"}, id="a key in the address"),
        pytest.param({"api_key_env": "sk-hunter2"}, id="the key instead of its variable"),
        pytest.param({"api_key": "hunter2"}, id="a key"),
        pytest.param({"adapter": "a"}, id="an adapter on a plain server"),
        pytest.param({"max_usd": 1.0}, id="a limit in dollars without prices"),
        pytest.param({"max_usd": 1.0, "price_per_million_input": 1.0}, id="with one price"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_and_no_secret_repeated(
    settings: dict[str, object],
) -> None:
    with pytest.raises(ValidationError) as caught:
        ServerSpec.model_validate({"base_url": "http://h/v1", "model": "m", **settings})
    assert "hunter2" not in str(caught.value)


def test_a_slash_at_the_end_of_the_address_does_not_matter() -> None:
    assert ServerSpec(base_url="http://h/v1/", model="m").base_url == "http://h/v1"


def test_every_server_in_the_documentation_is_one_that_a_configuration_takes() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    specs = [ServerSpec.model_validate(tomllib.loads(each)["model"]["server"]) for each in blocks]
    assert {each.flavour for each in specs} == {"vllm", "sglang", "llama.cpp", "plain"}
