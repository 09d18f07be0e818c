"""The search by ``langchain-mcp-adapters``, as its tools come by default.

That is a connection for each call: on stdio, a server for each call.
"""

# mypy: ignore-errors
# Its packages are another environment's.

import asyncio

from langchain_mcp_adapters.client import MultiServerMCPClient
from search import Refused, asked, search, tell


def connection(way):
    if way.transport == "http":
        headers = {"Authorization": f"Bearer {way.token}"}
        return {"transport": "streamable_http", "url": way.url, "headers": headers}
    return {"transport": "stdio", "command": way.command[0], "args": way.command[1:]}


async def main() -> None:
    way = asked()
    client = MultiServerMCPClient({"deltanas": connection(way)})
    tools = {tool.name: tool for tool in await client.get_tools()}

    async def call(name, arguments):
        asked = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
        message = await tools[name].ainvoke(asked)
        if message.status == "error":
            raise Refused(str(message.content))
        return message.artifact["structured_content"]

    tell(await search(way, call, protocol="", tools=list(tools)))


asyncio.run(main())
