"""What a client may write where a name, a text or a number is wanted, and the store behind it."""

import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from mcp import Client

from deltanas_mcp.server import ServerSettings, build_server
from tests.deltanas_mcp.calls import facts

DELTA = "@@ -20,3 +20,3 @@\n-        kernel = 3\n+        kernel = 5\n"
STALE = DELTA.replace("kernel = 3", "kernel = 99")

NAMES = {
    "an option": "--help",
    "a short option": "-x",
    "an option with a command": "--upload-pack=touch${IFS}x",
    "the folder above": "..",
    "a path above": "../plain-cnn",
    "a path in between": "plain-cnn/../shuffle-net",
    "an absolute path": "/etc/passwd",
    "a URL": "file:///etc/passwd",
    "an encoded path": "%2e%2e%2fplain-cnn",
    "backslashes": "..\\plain-cnn",
    "the head in short": "@",
    "the branch before": "@{-1}",
    "a reflog": "plain-cnn@{0}",
    "a parent": "plain-cnn^",
    "an ancestor": "plain-cnn~1",
    "a tree": "plain-cnn^{tree}",
    "a file": "plain-cnn:net.py",
    "a search of messages": ":/plain",
    "a range": "plain-cnn..shuffle-net",
    "a refspec": "+plain-cnn:refs/heads/x",
    "all refs": "*",
    "a class of refs": "plain-cn[n]",
    "a record": "refs/records/mcp/c01-002",
    "a record in short": "records/mcp/c01-002",
    "a reservation": "refs/pending/mcp/c01-001",
    "a reservation in short": "pending/mcp/c01-001",
    "a run's ref": "refs/runs/mcp",
    "an adapter": "refs/adapters/mcp/c01",
    "a lock": "plain-cnn.lock",
    "a line more": "plain-cnn\n",
    "two lines": "plain-cnn\nplain-cnn",
    "a zero byte": "plain-cnn\0",
    "an escape": "\x1b]0;owned\x07",
    "text that turns round": "\u202eplain-cnn",
    "letters that look alike": "pl\u0430in-cnn",
    "half a character": "\ud800",
    "a space": " plain-cnn",
    "a command": "$(touch x)",
    "another command": "`touch x`; touch x",
    "SQL": "' OR 1=1 --",
    "a pattern of SQL": "%",
    "a format": "{0.__class__}%s%n",
    "a place to fill in": "$architecture ${goal}",
    "too long": "a" * 1000,
}
"""None of these names anything, and nothing can be called so."""

UNKNOWN = {"the head": "HEAD", "no number": "NaN", "an id of nothing": "0" * 40, "a digit": "0"}
"""None of these names anything, but something could be called so."""

OTHERS: dict[str, Any] = {
    "a negative number": -1,
    "a large number": 10**40,
    "a list": ["plain-cnn", ["plain-cnn"]],
    "an object": {"plain-cnn": {"__proto__": 1}},
    "JSON in a string": "[" * 5000,
    "deep JSON": [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]],
}
"""Other things than a name, a text or a yes."""

NUMBERS: dict[str, Any] = {
    "one less": -1,
    "a large number": 10**40,
    "a huge number": 1e308,
    "no number": "NaN",
    "without end": "Infinity",
    "a list": [1],
    "an object": {"value": 1},
    "a sum": "1 + 1",
    "digits of another script": "\u0661\u0662",
}


@asynccontextmanager
async def unchanged(path: Path, *, with_jobs: bool = False) -> AsyncGenerator[Client]:
    """Give a client of the real server; the store has to be afterwards as it was.

    Nor may there be a job, if not ``with_jobs``.
    The store has a pending candidate, ``mcp/c01-001``, and a rejected one, ``mcp/c01-002``.
    """
    async with Client(build_server(ServerSettings(store=path))) as client:
        for delta in (DELTA, STALE):
            await client.call_tool("apply_patch", {"parent": "plain-cnn", "delta": delta})
        before = refs(path)
        assert {"refs/pending/mcp/c01-001", "refs/records/mcp/c01-002"} <= before.keys()
        yield client
        assert refs(path) == before
        if not with_jobs:
            assert facts(await client.call_tool("list_jobs", {}))["items"] == []
    assert not (path.parent / "x").exists()


def refs(path: Path) -> dict[str, str]:
    """Return all refs of a store, and what they point at."""
    shown = subprocess.run(
        ["git", "-C", path, "for-each-ref", "--format=%(refname) %(objectname)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return dict(line.split() for line in shown.splitlines())
