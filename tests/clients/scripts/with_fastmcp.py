"""The search by the client of ``fastmcp``, which takes the newest era that the server has."""

# mypy: ignore-errors
# Its packages are another environment's.

import asyncio

from fastmcp import Client
from fastmcp.client.transports import StdioTransport, StreamableHttpTransport
from fastmcp.exceptions import ToolError
from search import Refused, asked, search, tell


def transport(way):
    if way.transport == "http":
        return StreamableHttpTransport(way.url, auth=way.token)
    return StdioTransport(way.command[0], way.command[1:])


async def main() -> None:
    way, reports = asked(), []

    async def count(progress, total, message):
        reports.append(message)

    async with Client(transport(way), progress_handler=count) as client:

        async def call(name, arguments):
            try:
                result = await client.call_tool(name, arguments)
            except ToolError as error:
                raise Refused(str(error)) from error
            return result.structured_content

        tools = [tool.name for tool in await client.list_tools()]
        facts = await search(way, call, protocol=client.protocol_version, tools=tools)
    facts.progress = len(reports)
    tell(facts)


asyncio.run(main())
