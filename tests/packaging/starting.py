"""Starting a server by somebody's command line, as a client does, up to its first answers."""

import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

SERVER = str(Path(sys.executable).with_name("deltanas-mcp"))


def tools_on_stdio(command: str, args: list[str], env: Mapping[str, str]) -> list[str]:
    """Return the names of the tools of a server that is started so."""
    return anyio.run(_on_stdio, StdioServerParameters(command=command, args=args, env=dict(env)))


def tools_over_http(url: str, headers: Mapping[str, str]) -> list[str]:
    """Return the names of the tools of a server that listens already."""
    return anyio.run(_over_http, url, dict(headers))


async def _on_stdio(parameters: StdioServerParameters) -> list[str]:
    # The handshake is what most of these clients begin with.
    async with Client(parameters, mode="legacy") as client:
        return await _names(client)


async def _over_http(url: str, headers: dict[str, str]) -> list[str]:
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
    ):
        return await _names(client)


async def _names(client: Client) -> list[str]:
    assert client.server_info is not None
    assert client.server_info.name == "deltanas"
    return [tool.name for tool in (await client.list_tools()).tools]
