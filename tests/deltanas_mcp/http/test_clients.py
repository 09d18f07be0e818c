"""Clients that leave in the middle, and many at once."""

from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from deltanas_mcp.http.buckets import Buckets
from deltanas_mcp.http.gates import OwnerGate
from tests.deltanas_mcp.calls import Era, facts
from tests.deltanas_mcp.http.hostile import DELTA, refs
from tests.deltanas_mcp.http.serving import (
    ALICE,
    begin_session,
    connected,
    headers_of,
    in_session,
    request,
)

pytestmark = pytest.mark.anyio
NUM_CLIENTS = 50


def leave_in_the_middle(url: str, era: Era, job_id: str) -> None:
    """Ask to be told of a job's end for 45 seconds, and hang up within one."""
    call = {"name": "get_job", "arguments": {"job_id": job_id, "wait_s": 45}}
    if era == "auto":
        sent = request("tools/call", call)
        headers = headers_of(sent, ALICE)
    else:
        sent = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        headers = in_session(begin_session(url, ALICE), ALICE)
    with pytest.raises(httpx2.ReadTimeout):
        httpx2.post(f"{url}/mcp", json=sent, headers=headers, timeout=0.5).read()


async def test_who_hangs_up_leaves_job_store_and_server_as_they_were(
    url: str, store_path: Path, busy_device: None, era: Era
) -> None:
    async with connected(url, ALICE) as client:
        before = refs(store_path)
        call = {"candidate": "plain-cnn", "wait_s": 0}
        job = facts(await client.call_tool("train_one_epoch", call))["job_id"]
        for _ in range(3):
            await anyio.to_thread.run_sync(leave_in_the_middle, url, era, job)
        state = facts(await client.call_tool("get_job", {"job_id": job, "wait_s": 0}))["state"]
        assert state in ("queued", "running")
        assert refs(store_path) == before
        ended = facts(await client.call_tool("cancel_job", {"job_id": job}))
    assert ended["state"] == "cancelled"
    assert refs(store_path) == before


async def test_fifty_clients_of_both_eras_work_at_once(url: str, store_path: Path) -> None:
    made: list[str] = []

    async def work(mode: Era) -> None:
        async with connected(url, ALICE, mode=mode) as client:
            assert facts(await client.call_tool("list_architectures", {}))["total"] == 2
            call = {"parent": "plain-cnn", "delta": DELTA}
            made.append(facts(await client.call_tool("apply_patch", call))["candidate"])

    async with anyio.create_task_group() as clients:
        for number in range(NUM_CLIENTS):
            clients.start_soon(work, "auto" if number % 2 else "legacy")
    assert len(set(made)) == NUM_CLIENTS
    pending = {f"refs/pending/{each}" for each in made}
    assert pending == {ref for ref in refs(store_path) if ref.startswith("refs/pending/")}


async def test_who_has_too_much_under_way_waits_for_an_answer_first() -> None:
    answering = anyio.Event()
    statuses: list[int] = []

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await answering.wait()
        await send({"type": "http.response.start", "status": 200})

    gate = OwnerGate(slow, path="/mcp", rates=Buckets(100), is_open=True, max_at_once=2)

    async def ask(peer: str) -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])

        scope = {"type": "http", "path": "/mcp", "headers": [], "client": (peer, 1)}
        await gate(scope, receive, send)

    async with anyio.create_task_group() as clients:
        for _ in range(2):
            clients.start_soon(ask, "one")
        await anyio.wait_all_tasks_blocked()
        await ask("one")
        clients.start_soon(ask, "another")
        await anyio.wait_all_tasks_blocked()
        answering.set()
    assert statuses == [429, 200, 200, 200]
    await ask("one")
    assert statuses[-1] == 200
