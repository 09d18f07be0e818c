"""The search by ``openai-agents``, whose calls end after 5 seconds unless it is told otherwise.

It is not told otherwise. No model is needed: the calls are those that an agent would make.
"""

# mypy: ignore-errors
# Its packages are another environment's.

import asyncio

from agents.mcp import MCPServerStdio, MCPServerStreamableHttp
from search import Refused, asked, search, tell


def server(way):
    if way.transport == "http":
        headers = {"Authorization": f"Bearer {way.token}"}
        return MCPServerStreamableHttp({"url": way.url, "headers": headers})
    return MCPServerStdio({"command": way.command[0], "args": way.command[1:]})


async def main() -> None:
    way = asked()
    async with server(way) as connected:

        async def call(name, arguments):
            result = await connected.call_tool(name, arguments)
            if result.is_error:
                raise Refused(result.content[0].text)
            return result.structured_content

        tools = [tool.name for tool in await connected.list_tools()]
        tell(await search(way, call, protocol="", tools=tools))


asyncio.run(main())
