"""How long the MCP server takes from its start to the answer to ``initialize``, in one run.

It is held against a server of the bare SDK with as many tools, and both are started in turns, so
that both see the same machine. Run it as

    python -m benchmarks.server_start [--rounds 20]
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from deltanas_mcp.wiring import create_store

NUM_TOOLS = 12
BARE = f"""
from mcp.server import MCPServer
from mcp.types import ToolAnnotations
from pydantic import BaseModel

class Answer(BaseModel):
    text: str

server = MCPServer("bare", version="1")
for number in range({NUM_TOOLS}):
    @server.tool(name=f"tool_{{number}}", annotations=ToolAnnotations(title="t"))
    async def tool(name: str, limit: int = 3, kind: str = "") -> Answer:
        "Answer something."
        return Answer(text=name)
server.run("stdio")
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "benchmark", "version": "1"},
    },
}


def seconds_to_initialize(command: list[str]) -> float:
    """Start a server, and return the wall seconds until it has answered ``initialize``."""
    started = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(json.dumps(INITIALIZE).encode() + b"\n")
        server.stdin.flush()
        answer = json.loads(server.stdout.readline())
        seconds = time.perf_counter() - started
        server.stdin.close()
        server.wait()
    assert "serverInfo" in answer["result"]
    return seconds


def main() -> None:
    """Measure both in turns, and print medians, their ratio and its spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        create_store(store)
        commands = {
            "bare SDK": [sys.executable, "-c", BARE],
            "deltanas-mcp": [sys.executable, "-m", "deltanas_mcp", "--store", str(store)],
        }
        for command in commands.values():
            seconds_to_initialize(command)  # byte code and page cache
        rounds = [
            {name: seconds_to_initialize(command) for name, command in commands.items()}
            for _ in range(options.rounds)
        ]
    ratios = sorted(each["deltanas-mcp"] / each["bare SDK"] for each in rounds)
    lines = [f"mcp {version('mcp')}, Python {platform.python_version()}, {options.rounds} rounds"]
    for name in commands:
        lines.append(f"{name:<13} {statistics.median(each[name] for each in rounds):.3f} s")
    quartiles = statistics.quantiles(ratios, n=4)
    lines.append(
        f"ratio         {statistics.median(ratios):.3f}  "
        f"(quartiles {quartiles[0]:.3f} to {quartiles[2]:.3f}; goal 1.15)"
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
