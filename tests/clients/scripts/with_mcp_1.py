"""The search by the ``mcp`` package of the 1.x series, which knows the handshake era alone."""

# mypy: ignore-errors
# Its packages are another environment's.

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamablehttp_client
from search import Refused, asked, search, tell


def streams(way):
    if way.transport == "http":
        return streamablehttp_client(way.url, headers={"Authorization": f"Bearer {way.token}"})
    return stdio_client(StdioServerParameters(command=way.command[0], args=way.command[1:]))


async def main() -> None:
    way, reports = asked(), []

    async def count(progress, total, message):
        reports.append(message)

    async with AsyncExitStack() as opened:
        reading, writing, *_ = await opened.enter_async_context(streams(way))
        session = await opened.enter_async_context(
            ClientSession(reading, writing, read_timeout_seconds=timedelta(seconds=60))
        )
        agreed = await session.initialize()

        async def call(name, arguments):
            result = await session.call_tool(name, arguments, progress_callback=count)
            if result.isError:
                raise Refused(result.content[0].text)
            return result.structuredContent

        tools = [tool.name for tool in (await session.list_tools()).tools]
        facts = await search(way, call, protocol=agreed.protocolVersion, tools=tools)
    facts.progress = len(reports)
    tell(facts)


asyncio.run(main())
