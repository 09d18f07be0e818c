"""How the server refuses a request before the protocol has seen it."""

import math

from mcp.types import INVALID_REQUEST, ErrorData, JSONRPCError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


async def refuse(
    scope: Scope, receive: Receive, send: Send, *, status: int, text: str, wait: float = 0.0
) -> None:
    """Answer with an error that MCP clients show; ``wait`` is when to try again, in seconds."""
    error = JSONRPCError(
        jsonrpc="2.0", id=None, error=ErrorData(code=INVALID_REQUEST, message=text)
    )
    response = Response(
        error.model_dump_json(by_alias=True, exclude_unset=True),
        status_code=status,
        media_type="application/json",
        headers={"Retry-After": str(math.ceil(wait))} if wait else None,
    )
    await response(scope, receive, send)
