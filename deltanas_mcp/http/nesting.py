"""How deeply JSON may be nested and how many parts it may have, found before it is parsed."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deltanas_mcp.http.refusals import refuse

MAX_DEPTH = 64
"""The deepest message of the protocol has about ten levels."""
MAX_PARTS = 10_000
"""Lists and objects; ours have dozens, and a million empty lists take a hundred megabytes."""

# It takes an unfinished string to the end, and nothing back: otherwise each quote in one would
# begin another search for its end, and a body of 4 MiB would keep the server busy for hours.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_SAME = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


class NestingLimit:
    """Refuses bodies that are nested too deeply. The body must come in one message."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 400."""
        waiting = [await receive()]
        if words := too_much_of(waiting[0].get("body", b"")):
            await refuse(scope, receive, send, status=400, text=f"the body has more than {words}")
            return

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        await self._app(scope, replay, send)


def too_much_of(
    body: bytes, *, max_depth: int = MAX_DEPTH, max_parts: int = MAX_PARTS
) -> str | None:
    """Say what JSON has too much of, if anything. What is no JSON may be called either."""
    left = _STRING.sub(b"", body).translate(_SAME, delete=_NO_BRACKETS)
    if len(left) > 2 * max_parts:
        return f"{max_parts} lists and objects"
    for _ in range(max_depth):
        # Each pass takes the innermost level away of all lists and objects at once.
        left = left.replace(b"[]", b"")
    return f"{max_depth} levels" if b"[]" in left or len(left) > max_depth else None
