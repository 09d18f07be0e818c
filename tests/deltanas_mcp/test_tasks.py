"""Jobs as tasks, for clients that know the extension, and as before for all others."""

import time
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
)

from deltanas_mcp.answers import ProposedDelta
from deltanas_mcp.http.settings import HttpSettings
from deltanas_mcp.jobs import Job
from deltanas_mcp.jobs.locks import DeviceLock
from deltanas_mcp.server import ServerSettings, build_server
from deltanas_mcp.server.job_tasks import result_of
from deltanas_mcp.server.tasks import TASKS
from tests.deltanas_mcp.calls import Era, facts
from tests.deltanas_mcp.http.serving import (
    ALICE,
    BOB,
    DAVE,
    TOKENS,
    app_of,
    post,
    request,
    serving,
)
from tests.deltanas_mcp.task_client import KnowsTasks, ask, call, update

pytestmark = pytest.mark.anyio


@pytest.fixture
def busy(cache: Path) -> Generator[None]:
    """The machine's device is another store's: jobs go on until they are cancelled."""
    device = DeviceLock(cache / "devices", "cpu")
    while (lock := device.try_take()) is None:
        time.sleep(0.02)  # a worker of the test before has not yet seen that its store is gone
    yield
    lock.release()


@pytest.fixture
async def knowing(server: MCPServer) -> Any:
    async with Client(server, extensions=[KnowsTasks()]) as client:
        yield client


async def completed(client: Client, task_id: str) -> dict[str, Any]:
    """Ask for a task until it has ended."""
    with anyio.fail_after(60):
        while (task := await ask(client, "tasks/get", task_id))["status"] == "working":
            await anyio.sleep(min(task["pollIntervalMs"] / 1000, 0.2))
    return task


async def test_a_training_becomes_a_task_whose_result_is_its_jobs(knowing: Client) -> None:
    seed = await call(knowing, "train_one_epoch", candidate="plain-cnn", wait_s=0)
    assert (seed["resultType"], seed["status"], seed["ttlMs"]) == ("task", "working", None)
    assert seed.keys().isdisjoint({"result", "content", "structuredContent"})
    task = await completed(knowing, seed["taskId"])
    job = facts(await knowing.call_tool("get_job", {"job_id": seed["taskId"]}))
    assert (task["resultType"], task["status"]) == ("complete", "completed")
    assert task["result"]["structuredContent"] == job
    assert job["training"]["accuracy"] > 0.2
    assert task["statusMessage"] == job["message"]


async def test_what_a_failed_job_says_is_the_result_of_its_task(
    store_path: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.toml"
    model.write_text(f'[model.local]\nmodel = "{tmp_path / "nowhere"}"\n')
    server = build_server(ServerSettings(store=store_path, model=model))
    async with Client(server, extensions=[KnowsTasks()]) as client:
        arguments = {"parent": "plain-cnn", "proposer": "local", "wait_s": 0}
        seed = await call(client, "propose_delta", **arguments)
        task = await completed(client, seed["taskId"])
        job = facts(await client.call_tool("get_job", {"job_id": seed["taskId"]}))
        waited = await call(client, "propose_delta", **{**arguments, "seed": 1, "wait_s": 45})
    assert job["state"] == "failed"
    assert (task["status"], task["result"]["isError"]) == ("completed", True)
    assert [each["text"] for each in task["result"]["content"]] == [job["error"]]
    # What ends while somebody waits is no task.
    assert (waited["resultType"], waited["isError"]) == ("complete", True)


def test_a_task_that_proposes_comes_to_what_the_call_would_have_answered() -> None:
    proposal = ProposedDelta(status="ready", parent_id="a" * 40, delta="@@", proposer="local")
    now = datetime.now(UTC)
    job = Job(
        id="j",
        kind="propose",
        owner="local",
        device="cpu",
        arguments={},
        state="done",
        created_at=now,
        started_at=now,
        ended_at=now,
        progress=1,
        total=1,
        message="",
        queue_position=None,
        result={"proposal": proposal.model_dump(mode="json")},
        error="",
    )
    assert result_of(job).structured_content == proposal.model_dump(mode="json")


@pytest.mark.usefixtures("busy")
async def test_cancelling_a_task_cancels_its_job(knowing: Client) -> None:
    seed = await call(knowing, "train_one_epoch", candidate="plain-cnn", wait_s=0)
    for _ in range(2):  # the second time it has ended already
        assert await ask(knowing, "tasks/cancel", seed["taskId"]) == {"resultType": "complete"}
    task = await ask(knowing, "tasks/get", seed["taskId"])
    job = facts(await knowing.call_tool("get_job", {"job_id": seed["taskId"]}))
    assert (task["status"], job["state"]) == ("cancelled", "cancelled")
    assert "result" not in task


@pytest.mark.usefixtures("busy")
async def test_asking_how_a_job_is_doing_is_no_task(knowing: Client) -> None:
    seed = await call(knowing, "train_one_epoch", candidate="plain-cnn", wait_s=0)
    answer = await call(knowing, "get_job", job_id=seed["taskId"], wait_s=0)
    assert await update(knowing, seed["taskId"], {"q": {}}) == {"resultType": "complete"}
    ended = await call(knowing, "cancel_job", job_id=seed["taskId"])
    assert answer["structuredContent"]["job_id"] == seed["taskId"]
    assert ended["structuredContent"]["state"] == "cancelled"


@pytest.mark.usefixtures("busy")
async def test_who_does_not_know_tasks_gets_a_job(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        arguments = {"candidate": "plain-cnn", "wait_s": 0}
        job = facts(await client.call_tool("train_one_epoch", arguments))
        with pytest.raises(MCPError) as error:
            await ask(client, "tasks/get", job["job_id"])
        await client.call_tool("cancel_job", {"job_id": job["job_id"]})
    expected = MISSING_REQUIRED_CLIENT_CAPABILITY if era == "auto" else METHOD_NOT_FOUND
    assert error.value.code == expected


async def test_an_unknown_task_is_an_error_of_the_request(knowing: Client) -> None:
    for method in ("tasks/get", "tasks/cancel"):
        with pytest.raises(MCPError, match="there is no job 'nobody'") as error:
            await ask(knowing, method, "nobody")
        assert error.value.code == INVALID_PARAMS


def test_the_job_of_another_owner_is_as_unknown_a_task_as_any(store_path: Path, busy: None) -> None:
    alice, bob, _, dave = TOKENS
    # Bob's is a second token of Alice, for looking alone.
    settings = HttpSettings(tokens=(alice, bob.model_copy(update={"name": "alice"}), dave))
    with serving(app_of(ServerSettings(store=store_path), settings)) as url:
        started = _sent("tools/call", name="train_one_epoch", arguments=TRAINING)
        seed = post(url, started, ALICE).json()["result"]
        task_id = seed["taskId"]
        others = _post(url, "tasks/cancel", task_id, DAVE)
        nobodys = _post(url, "tasks/cancel", "A" * len(task_id), DAVE)
        own = _post(url, "tasks/get", task_id, ALICE)
        misled = _post(url, "tasks/get", task_id, ALICE, name="elsewhere")
        lesser = _post(url, "tasks/cancel", task_id, BOB)
        _post(url, "tasks/cancel", task_id, ALICE)
    assert others["error"]["code"] == INVALID_PARAMS
    assert (
        others["error"]["message"].replace(task_id, "A" * len(task_id))
        == (nobodys["error"]["message"])
    )
    assert own["result"]["status"] == "working"
    assert misled["error"]["code"] == HEADER_MISMATCH
    assert lesser["error"]["code"] == INVALID_REQUEST
    assert "tasks/cancel needs the scope deltanas:train" in lesser["error"]["message"]


TRAINING = {"candidate": "plain-cnn", "wait_s": 0}


def _sent(method: str, **params: Any) -> dict[str, Any]:
    """Return a request of a client that knows tasks."""
    sent = request(method, params)
    capabilities = sent["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
    capabilities["extensions"] = {TASKS: {}}
    return sent


def _post(url: str, method: str, task_id: str, token: str, *, name: str = "") -> dict[str, Any]:
    headers = {"Mcp-Name": name or task_id}
    answer = post(url, _sent(method, taskId=task_id), token, headers).json()
    assert isinstance(answer, dict)
    return answer
