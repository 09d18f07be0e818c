"""The two gates of the HTTP server: one before tokens are looked at, one after.

The order is from cheap to costly: the names that a browser was told (host, origin), how often this
peer failed, the token, how much this owner asks for, the size and the nesting of the body.
"""

from collections import Counter

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.transport_security import (
    DEFAULT_MAX_REQUEST_BODY_SIZE,
    RequestBodyLimitMiddleware,
    TransportSecurityMiddleware,
    TransportSecuritySettings,
)
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deltanas_mcp.http.buckets import Buckets
from deltanas_mcp.http.nesting import NestingLimit
from deltanas_mcp.http.refusals import refuse
from deltanas_mcp.http.verified import IssuerUnavailable

MAX_BODY_BYTES = DEFAULT_MAX_REQUEST_BODY_SIZE
FAILURES_PER_MINUTE = 60
"""With a wrong token, from one address. A client that has the right one needs none."""
MAX_AT_ONCE = 128
"""Requests of one owner that are under way, streams that only listen among them."""
RETRY_SECONDS = 5.0


class FrontGate:
    """Refuses what comes for another host, from another site, or from who guesses tokens."""

    def __init__(
        self, app: ASGIApp, security: TransportSecuritySettings, failures: Buckets
    ) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(security)
        self._failures = failures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 421, 403, 429 or 503."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if response := await self._security.validate_request(Request(scope)):
            await response(scope, receive, send)
            return
        peer = peer_of(scope)
        if wait := self._failures.wait(peer):
            text = "too many wrong tokens from this address"
            await refuse(scope, receive, send, status=429, text=text, wait=wait)
            return

        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 401:
                self._failures.take(peer)
            await send(message)

        try:
            await self._app(scope, receive, counting)
        except IssuerUnavailable as error:
            await refuse(scope, receive, send, status=503, text=str(error), wait=RETRY_SECONDS)


class OwnerGate:
    """Refuses what an owner asks for too often, too much of at once, or in too large a body."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        path: str,
        rates: Buckets,
        is_open: bool,
        max_at_once: int = MAX_AT_ONCE,
    ) -> None:
        """Stand before the endpoint at ``path``; where it ``is_open``, an address is an owner."""
        self._app = app
        self._limited = RequestBodyLimitMiddleware(NestingLimit(app), MAX_BODY_BYTES)
        self._path = path
        self._rates = rates
        self._is_open = is_open
        self._max_at_once = max_at_once
        self._under_way: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with 429, 413 or 400."""
        owner = self._owner(scope)
        if owner is None:
            # Of another path, or about to be asked for a token.
            await self._app(scope, receive, send)
        elif wait := self._rates.take(owner):
            text = "too many requests a minute; get_job with wait_s waits for a job in one"
            await refuse(scope, receive, send, status=429, text=text, wait=wait)
        elif self._under_way[owner] >= self._max_at_once:
            text = f"{self._max_at_once} requests of yours are under way; wait for their answers"
            await refuse(scope, receive, send, status=429, text=text, wait=RETRY_SECONDS)
        else:
            await self._pass(owner, scope, receive, send)

    async def _pass(self, owner: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._under_way[owner] += 1
        try:
            await self._limited(scope, receive, send)
        finally:
            self._under_way[owner] -= 1
            if not self._under_way[owner]:
                del self._under_way[owner]

    def _owner(self, scope: Scope) -> str | None:
        if scope["type"] != "http" or scope["path"] != self._path:
            return None
        user = scope.get("user")
        if isinstance(user, AuthenticatedUser):
            return user.access_token.subject or user.access_token.client_id
        return peer_of(scope) if self._is_open else None


def peer_of(scope: Scope) -> str:
    """Return the address that a request comes from."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
