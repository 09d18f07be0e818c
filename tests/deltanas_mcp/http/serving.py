"""A real HTTP server in a thread, and clients of it."""

import hashlib
import threading
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from starlette.types import ASGIApp

from deltanas_mcp.http.app import auth_of, build_app, verifier_of
from deltanas_mcp.http.settings import HttpSettings
from deltanas_mcp.http.tokens import Token
from deltanas_mcp.server import ServerSettings, build_server
from deltanas_mcp.server.access import SCOPES, Scope
from tests.deltanas_mcp.calls import Era

ALICE, BOB, CAROL, DAVE = (f"token-of-{name}-0123456789" for name in ("a", "b", "c", "d"))


def _token(token: str, name: str, *scopes: Scope) -> Token:
    digest = hashlib.sha256(token.encode()).digest()
    return Token(digest=digest, name=name, scopes=scopes or SCOPES)


TOKENS = (
    _token(ALICE, "alice"),
    _token(BOB, "bob", "read"),
    _token(CAROL, "carol", "read", "write"),
    _token(DAVE, "dave"),
)
"""Alice and Dave may do everything, Bob look, and Carol add to the store."""

MODERN = "2026-07-28"
LEGACY = "2025-11-25"


@contextmanager
def serving(app: ASGIApp) -> Generator[str]:
    """Serve an application on a free port; give the address without a path."""
    config = uvicorn.Config(
        app, port=0, log_config=None, ws="none", timeout_graceful_shutdown=1, lifespan="on"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def app_of(settings: ServerSettings, http: HttpSettings) -> ASGIApp:
    """Return the real application, with the real server in it."""
    server = build_server(settings, verifier=verifier_of(http), auth=auth_of(http))
    return build_app(server, http)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@asynccontextmanager
async def connected(url: str, token: str = "", *, mode: Era = "auto") -> AsyncGenerator[Client]:
    """Connect the SDK's client with a token."""
    headers = bearer(token) if token else {}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


def request(method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a request as clients of the modern era send it."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {
        "jsonrpc": "2.0",
        "id": 1,
        "method": method,
        "params": {**(params or {}), "_meta": meta},
    }


def headers_of(sent: dict[str, Any], token: str = "") -> dict[str, str]:
    """Return the headers that go with a request of the modern era."""
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": MODERN,
        "Mcp-Method": sent["method"],
    }
    if name := sent["params"].get("name"):
        headers["Mcp-Name"] = name
    return headers | (bearer(token) if token else {})


def post(
    url: str, sent: dict[str, Any], token: str = "", headers: dict[str, str] | None = None
) -> httpx2.Response:
    """Send a request of the modern era and return what comes back."""
    return httpx2.post(
        f"{url}/mcp", json=sent, headers=headers_of(sent, token) | (headers or {}), timeout=30
    )


def begin_session(url: str, token: str) -> str:
    """Begin a session of the handshake era and return its id."""
    body = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    headers = bearer(token) | {"Accept": "application/json, text/event-stream"}
    answer = httpx2.post(f"{url}/mcp", json=body, headers=headers)
    return str(answer.headers["Mcp-Session-Id"])


def in_session(session: str, token: str) -> dict[str, str]:
    """Return the headers of a request in a session."""
    return bearer(token) | {
        "Accept": "application/json, text/event-stream",
        "Mcp-Session-Id": session,
        "MCP-Protocol-Version": LEGACY,
    }
