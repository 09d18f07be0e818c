"""Refuse arguments that a tool does not have: a typo in a setting is a wrong experiment."""

from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Extension
from mcp.types import CallToolRequestParams, CallToolResult, TextContent


class StrictArguments(Extension):
    """Answers a call with unknown arguments by their names; the SDK would ignore them."""

    identifier = "io.github.deltanas/strict-arguments"
    server: MCPServer | None = None
    """Set once the server exists: the server takes its extensions when it is made."""

    async def intercept_tool_call(
        self,
        params: CallToolRequestParams,
        ctx: "ServerRequestContext[object, object]",
        call_next: CallNext,
    ) -> HandlerResult:
        """Pass the call on if the tool has every argument that is given."""
        listed = await self.server.list_tools() if self.server else []
        schemas = {tool.name: tool.input_schema for tool in listed}
        known = set(schemas[params.name].get("properties", {})) if params.name in schemas else None
        unknown = sorted(set(params.arguments or {}) - known) if known is not None else []
        if not unknown:
            return await call_next(ctx)
        there = ", ".join(sorted(known or ()))
        text = f"{params.name} has no argument {', '.join(unknown)}; it has {there}"
        return CallToolResult(is_error=True, content=[TextContent(type="text", text=text)])
