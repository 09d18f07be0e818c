"""Jobs as clients have them: waiting, progress, retries, cancelling, and servers that die."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.server import MCPServer

from deltanas_mcp.server import ServerSettings, build_server
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.entries import KeptEntry
from tests.deltanas_mcp.calls import Era, ended, facts, refusal

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
DELTA = "@@\n-        kernel = 3\n+        kernel = 5\n"


@pytest.fixture
def sleeper(store_path: Path) -> str:
    """A baseline whose training takes as long as it may."""
    whole = baselines()["plain-cnn"]
    lines = whole.source.split("\n")
    [head] = [at for at, line in enumerate(lines) if line.lstrip().startswith("def learn(")]
    lines.insert(head + 1, "        import time; time.sleep(600)")
    sleeping = whole.model_copy(update={"source": "\n".join(lines)})
    with open_store(store_path) as store:
        store.import_baseline("sleeper", sleeping)
    return "sleeper"


async def test_a_call_that_does_not_wait_answers_with_a_job(
    server: MCPServer, sleeper: str, era: Era
) -> None:
    async with Client(server, mode=era) as client:
        call = {"candidate": sleeper, "wait_s": 0}
        job = facts(await client.call_tool("train_one_epoch", call))
        assert job["state"] in ("queued", "running")
        assert job["poll_after_s"] > 0
        ended = facts(await client.call_tool("cancel_job", {"job_id": job["job_id"]}))
    assert ended["state"] == "cancelled"


async def test_whoever_waits_hears_how_far_it_is(server: MCPServer, era: Era) -> None:
    heard: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))

    async with Client(server, mode=era) as client:
        call = {"candidate": "shuffle-net", "wait_s": 45}
        job = facts(await client.call_tool("train_one_epoch", call, progress_callback=hear))
    assert job["state"] == "done"
    assert job["training"]["accuracy"] > 0.2
    progresses = [progress for progress, _ in heard]
    assert progresses == sorted(set(progresses))
    assert any("digits" in (message or "") for _, message in heard)


async def test_a_retried_call_finds_its_job(server: MCPServer, sleeper: str) -> None:
    call = {"candidate": sleeper, "wait_s": 0, "idempotency_key": "mine"}
    async with Client(server) as client:
        first = facts(await client.call_tool("train_one_epoch", call))
        again = facts(await client.call_tool("train_one_epoch", call))
        other = await client.call_tool("train_one_epoch", {**call, "seed": 7})
        await client.call_tool("cancel_job", {"job_id": first["job_id"]})
        listed = facts(await client.call_tool("list_jobs", {}))
    assert again["job_id"] == first["job_id"]
    assert "mine" in refusal(other)
    assert [each["job_id"] for each in listed["items"]] == [first["job_id"]]


async def test_jobs_of_one_device_wait_for_each_other(server: MCPServer, sleeper: str) -> None:
    async with Client(server) as client:
        jobs = [
            facts(
                await client.call_tool(
                    "train_one_epoch",
                    {"candidate": sleeper, "seed": seed, "wait_s": 1 - bool(seed)},
                )
            )
            for seed in range(3)
        ]
        ids = [job["job_id"] for job in jobs]
        calls = [{"job_id": each, "wait_s": 0} for each in ids]
        found = [facts(await client.call_tool("get_job", call)) for call in calls]
        for each in reversed(ids):
            await client.call_tool("cancel_job", {"job_id": each})
    assert [job["queue_position"] for job in found] == [None, 1, 2]


async def test_a_full_queue_refuses_in_words(store_path: Path, sleeper: str) -> None:
    server = build_server(ServerSettings(store=store_path, max_queued=1))
    async with Client(server) as client:
        calls = [{"candidate": sleeper, "seed": seed, "wait_s": 1} for seed in range(3)]
        results = [await client.call_tool("train_one_epoch", call) for call in calls]
        for job in facts(await client.call_tool("list_jobs", {}))["items"]:
            await client.call_tool("cancel_job", {"job_id": job["job_id"]})
    assert "the queue is full" in refusal(results[2])


async def test_a_search_runs_by_itself_and_can_be_gone_on_with(server: MCPServer) -> None:
    call = {"run": "r", "cycles": 1, "candidates": 2, "baselines": ["shuffle-net"]}
    async with Client(server) as client:
        job = await ended(client, facts(await client.call_tool("run_search", call)))
        again = await ended(client, facts(await client.call_tool("run_search", call)))
        other = {**call, "candidates": 3}
        told = refusal(await client.call_tool("run_search", other))
    assert job["error"] == ""
    assert job["search"]["answers"] >= 2
    assert job["search"]["best"]
    assert again["search"]["answers"] == job["search"]["answers"]
    assert "differs in candidates" in told


async def test_a_killed_server_loses_nothing(store_path: Path, cache: Path) -> None:
    command = [sys.executable, "-m", "deltanas_mcp", "--store", str(store_path)]
    environment = {"DELTANAS_CACHE": str(cache)}
    parameters = StdioServerParameters(
        command=command[0], args=command[1:], env=environment, cwd=ROOT
    )
    async with Client(stdio_client(parameters)) as client:
        call: dict[str, Any] = {"parent": "plain-cnn", "delta": DELTA}
        candidate = facts(await client.call_tool("apply_patch", call))["candidate"]
        call = {"candidate": candidate, "wait_s": 0}
        job = facts(await client.call_tool("train_one_epoch", call))
        [server] = _servers(store_path)
        os.kill(server, signal.SIGKILL)
    async with Client(stdio_client(parameters)) as client:
        found = await ended(
            client, facts(await client.call_tool("get_job", {"job_id": job["job_id"]}))
        )
    assert (found["state"], found["training"]["status"]) == ("done", "kept")
    with open_store(store_path) as store:
        [entry] = store.candidates("mcp")
    assert isinstance(entry, KeptEntry)
    assert entry.id == found["training"]["id"]


def _servers(store: Path) -> list[int]:
    """The processes that serve a store, workers not counted."""
    listed = subprocess.run(
        ["pgrep", "-f", f"deltanas_mcp --store {store}"], capture_output=True, text=True
    )
    return [int(pid) for pid in listed.stdout.split()]
