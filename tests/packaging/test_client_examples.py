"""The example files for clients: what each of them starts really starts."""

import json
import re
import tomllib
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.clients.serving import http_server
from tests.packaging.starting import SERVER, tools_on_stdio, tools_over_http

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "clients"
EXAMPLES = sorted(path.name for path in FOLDER.iterdir())
ON_STDIO = [name for name in EXAMPLES if "-http" not in name]
OVER_HTTP = [name for name in EXAMPLES if "-http" in name]

COMMAND, STORE = "/path/to/deltanas/.venv/bin/deltanas-mcp", "/path/to/store"
ADDRESS = "http://127.0.0.1:8765/mcp"

Entry = dict[str, Any]


def read(text: str, name: str) -> Entry:
    """Return what a client would read about the server ``deltanas``."""
    values = tomllib.loads(text) if name.endswith(".toml") else json.loads(text)
    [servers] = [values[key] for key in ("mcpServers", "servers", "mcp_servers") if key in values]
    entry: Entry = servers["deltanas"]
    return entry


def expanded(value: str, variables: Mapping[str, str]) -> str:
    """Fill in ``${NAME:-default}``, ``${env:NAME}`` and ``${input:NAME}`` as clients do."""

    def filled(found: re.Match[str]) -> str:
        name, _, default = found[1].removeprefix("env:").removeprefix("input:").partition(":-")
        return variables.get(name, default)

    return re.sub(r"\$\{([^}]*)\}", filled, value)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def served(place: Path) -> Generator[tuple[str, str]]:
    with http_server(place) as address:
        yield address


@pytest.fixture
def start(place: Path) -> Callable[[Entry], list[str]]:
    """Start what an entry names, with a real command and a real store."""

    def start(entry: Entry) -> list[str]:
        args = [expanded(each, {}).replace(STORE, str(place / "store")) for each in entry["args"]]
        env = {name: expanded(value, {}) for name, value in entry["env"].items()}
        return tools_on_stdio(
            entry["command"].replace(COMMAND, SERVER),
            args,
            {**env, "DELTANAS_CACHE": str(place / "cache")},
        )

    return start


@pytest.mark.parametrize("name", ON_STDIO)
def test_an_example_on_stdio_starts_the_server(
    name: str, start: Callable[[Entry], list[str]]
) -> None:
    entry = read((FOLDER / name).read_text("utf-8"), name)
    assert entry["command"] == COMMAND, "hosts start with a bare PATH: commands are absolute"
    assert entry["args"][:2] == ["--store", STORE]
    assert "train_one_epoch" in start(entry)


@pytest.mark.parametrize("name", OVER_HTTP)
def test_an_example_over_http_reaches_the_server(name: str, served: tuple[str, str]) -> None:
    url, token = served
    entry = read((FOLDER / name).read_text("utf-8"), name)
    known = {"DELTANAS_HTTP_TOKEN": token, "deltanas-token": token}
    if "bearer_token_env_var" in entry:
        headers = {"Authorization": f"Bearer {known[entry['bearer_token_env_var']]}"}
    else:
        headers = {key: expanded(value, known) for key, value in entry["headers"].items()}
    assert entry["url"] == ADDRESS
    assert "train_one_epoch" in tools_over_http(url, headers)


def test_the_checkout_offers_its_own_server_to_claude_code(
    start: Callable[[Entry], list[str]],
) -> None:
    entry = read((ROOT / ".mcp.json").read_text("utf-8"), ".mcp.json")
    assert expanded(entry["command"], {"CLAUDE_PROJECT_DIR": "/c"}) == "/c/.venv/bin/deltanas-mcp"
    [_, store, *rest] = entry["args"]
    assert expanded(store, {}) == "./quickstart-store"
    assert "train_one_epoch" in start(
        {**entry, "command": COMMAND, "args": ["--store", STORE, *rest]}
    )


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_guide_shows_each_example_as_it_is(name: str) -> None:
    guide = (ROOT / "docs" / "clients.md").read_text("utf-8")
    assert f"examples/clients/{name}" in guide
    assert (FOLDER / name).read_text("utf-8") in guide


def test_claude_code_and_vs_code_are_told_the_transport() -> None:
    for name in EXAMPLES:
        if name.startswith(("claude-code", "vscode")):
            entry = read((FOLDER / name).read_text("utf-8"), name)
            assert entry["type"] == ("http" if "-http" in name else "stdio")
