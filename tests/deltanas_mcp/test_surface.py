"""What clients see of the server, one file each: it changes on purpose or not at all.

``make surface`` writes the files and the README's table anew; the diff is what a reviewer reads.
"""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp.types import Tool
from pydantic import BaseModel

pytestmark = pytest.mark.anyio
SURFACE = Path(__file__).parent / "surface"
README = Path(__file__).parents[2] / "README.md"
TABLE = re.compile(r"(?<=<!-- tools -->\n).*?(?=<!-- end of tools -->)", re.DOTALL)
REWRITE = os.environ.get("DELTANAS_WRITE_SURFACE") == "1"


async def surface(server: MCPServer) -> dict[str, dict[str, Any]]:
    """Return everything that is listed, by the name of its file."""
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
        prompts = (await client.list_prompts()).prompts
        instructions = client.instructions
    found: dict[str, dict[str, Any]] = {"instructions": {"instructions": instructions}}
    for kind, listed in (
        ("tool", tools),
        ("resource", resources),
        ("template", templates),
        ("prompt", prompts),
    ):
        found |= {f"{kind}-{each.name}": _dumped(each) for each in listed}
    return found


def _dumped(listed: BaseModel) -> dict[str, Any]:
    return listed.model_dump(mode="json", by_alias=True, exclude_none=True)


async def test_everything_that_clients_see_is_as_its_file_says(server: MCPServer) -> None:
    found = await surface(server)
    if REWRITE:
        SURFACE.mkdir(exist_ok=True)
        for path in SURFACE.glob("*.json"):
            path.unlink()
        for name, value in found.items():
            (SURFACE / f"{name}.json").write_text(_text(value), encoding="utf-8")
    kept = {path.stem: path.read_text(encoding="utf-8") for path in SURFACE.glob("*.json")}
    assert {name: _text(value) for name, value in found.items()} == kept


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


async def test_the_table_of_tools_in_the_readme_is_the_servers(server: MCPServer) -> None:
    async with Client(server) as client:
        tools = (await client.list_tools()).tools
    table = "".join(f"{row}\n" for row in _table(tools))
    text = README.read_text(encoding="utf-8")
    if REWRITE:
        text = TABLE.sub(lambda _: table, text)
        README.write_text(text, encoding="utf-8")
    [found] = TABLE.findall(text)
    assert found == table


def _table(tools: list[Tool]) -> Iterator[str]:
    yield "| tool | what it does | hints |"
    yield "|---|---|---|"
    for tool in tools:
        assert tool.annotations is not None
        assert tool.description is not None
        hints = [
            word
            for word, is_set in (
                ("reads", tool.annotations.read_only_hint),
                ("destroys", tool.annotations.destructive_hint),
                ("can be repeated", tool.annotations.idempotent_hint),
                ("a job", tool.output_schema is not None and _is_job(tool)),
            )
            if is_set and not (word == "can be repeated" and tool.annotations.read_only_hint)
        ]
        yield f"| `{tool.name}` | {tool.description.splitlines()[0]} | {', '.join(hints)} |"


def _is_job(tool: Tool) -> bool:
    schema = tool.output_schema or {}
    assert tool.annotations is not None
    begins = not tool.annotations.read_only_hint and not tool.annotations.destructive_hint
    return schema.get("title") == "JobInfo" and begins


async def test_descriptions_are_short_enough_for_clients_that_cut_them(server: MCPServer) -> None:
    # Claude Code cuts descriptions and instructions at 2 KB.
    async with Client(server) as client:
        texts = [client.instructions or ""]
        texts += [tool.description or "" for tool in (await client.list_tools()).tools]
    assert max(len(text.encode()) for text in texts) <= 2048
