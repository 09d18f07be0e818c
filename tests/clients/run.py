"""Have other people's MCP clients drive a whole search against the real server.

    python -m tests.clients.run [CLIENT ...]

Each client gets an environment of its own (`environments`) and searches by tool calls alone, over
stdio and over HTTP, on one store. The exit code is 1 where a client failed; one that cannot be had
is skipped, and the table says why.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import anyio
from pydantic import ValidationError

from deltanas_mcp.server import ServerSettings, build_server
from tests.clients.checking import Facts
from tests.clients.environments import NotAvailable, node_environment, python_environment
from tests.clients.serving import http_server, stdio_command

SCRIPTS = Path(__file__).parent / "scripts"
TIMEOUT_SECONDS = 300
TYPESCRIPT = ("@modelcontextprotocol/sdk@1.32.2", "@modelcontextprotocol/client@2.4.0")

LEGACY, MODERN = "2025-11-25", "2026-07-28"

Verdict = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True)
class Outcome:
    """How one client fared over one transport."""

    client: str
    transport: str
    verdict: Verdict
    words: str
    seconds: float


def python(script: str, requirement: str) -> list[str]:
    """Return the start of the command of a client in Python."""
    name = script.removeprefix("with_").removesuffix(".py")
    return [str(python_environment(name, requirement) / "python"), str(SCRIPTS / script)]


def typescript(script: str) -> list[str]:
    """Return the start of the command of a client in TypeScript's module format."""
    place = node_environment("typescript", *TYPESCRIPT)
    # Modules look for packages in the folders above them.
    for each in SCRIPTS.glob("*.mjs"):
        shutil.copy(each, place)
    return [str(place / "node_modules" / ".bin" / "node"), str(place / script)]


@dataclass(frozen=True)
class Client:
    """Somebody else's client."""

    name: str
    command: Callable[[], list[str]]
    protocol: str = ""
    """Version that it is to agree on; empty where it does not tell."""
    wait_s: float = 20
    """How long its calls of get_job wait; those of most clients must end within a minute."""


CLIENTS = (
    Client("mcp 1.30.0", lambda: python("with_mcp_1.py", "mcp==1.30.0"), LEGACY),
    Client("fastmcp 4.1.2", lambda: python("with_fastmcp.py", "fastmcp==4.1.2"), MODERN),
    Client(
        "langchain-mcp-adapters 0.3.2",
        lambda: python("with_langchain.py", "langchain-mcp-adapters==0.3.2"),
    ),
    Client(
        "openai-agents 0.24.0",
        lambda: python("with_openai_agents.py", "openai-agents==0.24.0"),
        wait_s=3,
    ),
    Client("typescript sdk 1.32.2", lambda: typescript("with_typescript_sdk.mjs")),
    Client("typescript client 2.4.0", lambda: typescript("with_typescript_client.mjs"), MODERN),
)


def outcomes(wanted: Sequence[str] = ()) -> Iterator[Outcome]:
    """Try the clients whose names begin so, or all, over both transports."""
    chosen = [each for each in CLIENTS if not wanted or each.name.startswith(tuple(wanted))]
    with tempfile.TemporaryDirectory(prefix="deltanas-clients-") as folder:
        place = Path(folder)
        expected = _tools(place)
        on_stdio = ["--", *stdio_command(place)]
        with http_server(place) as (url, token):
            ways = {"stdio": on_stdio, "http": ["--url", url, "--token", token]}
            for number, client in enumerate(chosen):
                for transport, way in ways.items():
                    # What one has found is not novel for the next.
                    seed = 1000 * number + 500 * (transport == "http")
                    yield _outcome(client, transport, ["--seed", str(seed), *way], expected)


def _outcome(
    client: Client, transport: str, options: list[str], expected: tuple[str, ...]
) -> Outcome:
    started = time.monotonic()

    def ended(verdict: Verdict, words: str) -> Outcome:
        return Outcome(client.name, transport, verdict, words, time.monotonic() - started)

    try:
        command = [*client.command(), "--wait", str(client.wait_s), *options]
    except NotAvailable as error:
        return ended("skipped", str(error))
    started = time.monotonic()
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return ended("failed", f"not done after {TIMEOUT_SECONDS} s")
    if ran.returncode:
        return ended("failed", f"exit code {ran.returncode}:\n{ran.stderr[-4000:]}")
    try:
        facts = Facts.model_validate_json(ran.stdout)
    except ValidationError as error:
        return ended("failed", f"it printed {ran.stdout!r}: {error}")
    if faults := facts.faults(tools=expected, protocol=client.protocol):
        return ended("failed", "; ".join(faults))
    return ended("passed", _in_words(facts))


def _in_words(facts: Facts) -> str:
    return (
        f"{facts.protocol or 'protocol untold'}, {len(facts.tools)} tools, "
        f"{len(facts.tries)} tries, kept at {facts.accuracy:.4f}, "
        f"{facts.num_polls} polls, {facts.progress} reports"
    )


def _tools(folder: Path) -> tuple[str, ...]:
    server = build_server(ServerSettings(store=folder / "none"))
    return tuple(tool.name for tool in anyio.run(server.list_tools))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each client and transport; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.clients.run")
    names = ", ".join(each.name for each in CLIENTS)
    parser.add_argument("clients", nargs="*", help=f"beginnings of: {names}")
    verdicts = []
    for each in outcomes(parser.parse_args(arguments).clients):
        verdicts.append(each.verdict)
        sys.stdout.write(
            f"{each.verdict:8}{each.client:30}{each.transport:7}{each.seconds:5.1f} s  "
            f"{each.words}\n"
        )
        sys.stdout.flush()
    return int("failed" in verdicts or not verdicts)


if __name__ == "__main__":
    sys.exit(main())
