"""A real server on a store of its own, for clients that run in other processes."""

import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 60
LOOK_SECONDS = 0.1

OWNER = "client"


def stdio_command(folder: Path) -> list[str]:
    """Return the command of a server on stdio, as an MCP host would have it.

    Clients hand on little of their environment, so the command brings what it needs.
    """
    own = [f"{name}={value}" for name, value in _environment(folder).items()]
    server = str(Path(sys.executable).with_name("deltanas-mcp"))
    return ["/usr/bin/env", *own, server, "--store", str(folder / "store"), "--init"]


@contextmanager
def http_server(folder: Path) -> Generator[tuple[str, str]]:
    """Serve over HTTP, and give the URL and a token.

    Raises:
        RuntimeError: the server ended before it answered; the message has its last words.
    """
    port, token, tokens = free_port(), secrets.token_urlsafe(32), folder / "tokens"
    tokens.touch(mode=0o600)
    tokens.write_text(f"{token} {OWNER}\n", "utf-8")
    options = ["--http", "--port", str(port), "--token-file", str(tokens)]
    log = folder / "http.log"
    with log.open("wb") as said:
        server = subprocess.Popen(
            [*stdio_command(folder), *options], stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            _wait_until_healthy(server, f"http://127.0.0.1:{port}/health", log)
            yield f"http://127.0.0.1:{port}/mcp", token
        finally:
            server.terminate()
            server.wait(timeout=30)


def free_port() -> int:
    """Return a port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(folder: Path) -> dict[str, str]:
    # A lock on devices is in the cache: whoever else trains here does not make clients wait.
    return {"DELTANAS_CACHE": str(folder / "cache")}


def _wait_until_healthy(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(LOOK_SECONDS)
    raise RuntimeError(f"the HTTP server did not start: {log.read_text('utf-8')[-2000:]}")
