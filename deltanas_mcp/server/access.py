"""Who calls, and what the caller may do."""

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Extension
from mcp.types import CallToolRequestParams, CallToolResult, TextContent

LOCAL = "local"
"""Owner of what comes over stdio: the user who started the server."""

Scope = Literal["read", "write", "train"]
"""What a token is for: to look, to add to the store, to spend the machine's time."""

SCOPES: tuple[Scope, ...] = get_args(Scope)


def scope_name(scope: Scope) -> str:
    """Return a scope as tokens and clients have it."""
    return f"deltanas:{scope}"


def current_owner() -> str:
    """Return whose call this is: of the token's subject or client; `LOCAL` without a token."""
    token = get_access_token()
    return LOCAL if token is None else token.subject or token.client_id


def lacking(scope: Scope, *, to: str) -> str | None:
    """Say what the caller's token lacks ``to`` do something; None where it lacks nothing.

    Without a token all is allowed: over HTTP there is one, unless the server was told otherwise.
    """
    token = get_access_token()
    if token is None or scope_name(scope) in token.scopes:
        return None
    return f"{to} needs the scope {scope_name(scope)}; your token has {_listed(token.scopes)}"


class Access(Extension):
    """Refuses calls of tools that the caller's token is not for."""

    identifier = "io.github.deltanas/access"

    def __init__(self, needed: Mapping[str, Scope]) -> None:
        self._needed = needed

    async def intercept_tool_call(
        self,
        params: CallToolRequestParams,
        ctx: "ServerRequestContext[object, object]",
        call_next: CallNext,
    ) -> HandlerResult:
        """Pass the call on if the token has the tool's scope."""
        # A tool that nobody thought of takes the most.
        scope = self._needed.get(params.name, "train")
        refusal = lacking(scope, to=params.name)
        if refusal is None:
            return await call_next(ctx)
        return CallToolResult(is_error=True, content=[TextContent(type="text", text=refusal)])


def _listed(scopes: Iterable[str]) -> str:
    ours = {scope_name(scope) for scope in SCOPES}
    return ", ".join(each for each in scopes if each in ours) or "none of ours"
