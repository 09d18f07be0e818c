"""Prompts of the MCP server: what they say can be done as they say it."""

import re
from pathlib import Path

import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.types import TextContent

from deltanas_mcp.wiring import open_store
from tests.deltanas_mcp.calls import Era

pytestmark = pytest.mark.anyio
ARGUMENTS = {
    "improve_architecture": {"architecture": "plain-cnn", "goal": "fewer {params} for $5"},
    "review_run": {"run": "night"},
    "search_under_budget": {"minutes": "45", "dataset": "digits"},
}
CALL = re.compile(r"`(\w+)` \(([^()]*)\)")


@pytest.fixture
def server(server: MCPServer, store_path: Path) -> MCPServer:
    """A server whose store has a run ``night``."""
    with open_store(store_path) as store:
        store.begin_run("night", {"kind": "search"})
    return server


async def told(client: Client, name: str, arguments: dict[str, str]) -> str:
    """The text of a prompt."""
    [message] = (await client.get_prompt(name, arguments)).messages
    assert message.role == "user"
    assert isinstance(message.content, TextContent)
    return message.content.text


async def test_there_are_three_with_a_title_and_a_description_of_everything(
    server: MCPServer, era: Era
) -> None:
    async with Client(server, mode=era) as client:
        listed = (await client.list_prompts()).prompts
    assert {each.name: [a.name for a in each.arguments or ()] for each in listed} == {
        "improve_architecture": ["architecture", "goal", "dataset"],
        "review_run": ["run"],
        "search_under_budget": ["goal", "minutes", "dataset"],
    }
    for each in listed:
        assert each.title
        assert each.description
        assert all(argument.description for argument in each.arguments or ())


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_a_prompt_names_tools_and_arguments_that_there_are(
    server: MCPServer, era: Era, name: str
) -> None:
    async with Client(server, mode=era) as client:
        text = await told(client, name, ARGUMENTS[name])
        tools = {each.name: each.input_schema for each in (await client.list_tools()).tools}
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", text))
    assert len(named & set(tools)) >= 3
    assert named - set(tools) <= {"train_setup", "supported_hyperparameters"}
    for tool, arguments in CALL.findall(text):
        given = set(re.findall(r"(\w+):", arguments))
        if tool in tools:
            assert given <= set(tools[tool]["properties"])


@pytest.mark.parametrize("name", ARGUMENTS)
async def test_a_prompt_names_resources_that_there_are(
    server: MCPServer, era: Era, name: str
) -> None:
    async with Client(server, mode=era) as client:
        text = await told(client, name, ARGUMENTS[name])
        templates = (await client.list_resource_templates()).resource_templates
        static = {str(each.uri) for each in (await client.list_resources()).resources}
    patterns = [re.sub(r"\\{.*?\\}", "[^/]+", re.escape(each.uri_template)) for each in templates]
    for uri in re.findall(r"deltanas://[^`]+", text):
        assert uri in static or any(re.fullmatch(pattern, uri) for pattern in patterns)


async def test_what_is_asked_for_stands_in_the_text(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        improve = await told(client, "improve_architecture", ARGUMENTS["improve_architecture"])
        search = await told(client, "search_under_budget", ARGUMENTS["search_under_budget"])
    assert "Improve the architecture `plain-cnn` on the data set `digits`" in improve
    assert "What is wanted: fewer {params} for $5." in improve
    assert "within 45 minutes. What is wanted: a higher accuracy." in search


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        pytest.param("improve_architecture", {"architecture": "x"}, "'x'", id="unknown parent"),
        pytest.param("review_run", {"run": "x\n1. rm"}, "no run", id="unknown run"),
        pytest.param("search_under_budget", {"minutes": "soon"}, "'soon'", id="no number"),
        pytest.param("search_under_budget", {"minutes": "nan"}, "'nan'", id="not a number"),
        pytest.param("search_under_budget", {"minutes": "-3"}, "'-3'", id="negative"),
        pytest.param("search_under_budget", {"dataset": "x"}, "digits", id="unknown data set"),
        pytest.param("search_under_budget", {"goal": "a" * 3000}, "2000", id="very long goal"),
    ],
)
async def test_a_bad_argument_is_refused_in_words(
    server: MCPServer, era: Era, name: str, arguments: dict[str, str], words: str
) -> None:
    async with Client(server, mode=era) as client:
        with pytest.raises(MCPError, match=re.escape(words)):
            await client.get_prompt(name, arguments)
