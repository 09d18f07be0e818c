"""The MCP server: tools, resources and prompts over one store."""

from deltanas_mcp.server.app import build_server
from deltanas_mcp.server.settings import ServerSettings

__all__ = ["ServerSettings", "build_server"]
