"""A server with a language model: it writes deltas, searches and is tuned, all in jobs."""

from pathlib import Path

import pytest
from mcp import Client

from deltanas_mcp.jobs import Jobs
from deltanas_mcp.jobs.locks import try_lock
from deltanas_mcp.jobs.table import JobTable
from deltanas_mcp.server import ServerSettings, build_server
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.baselines import baselines
from tests.deltanas_mcp.calls import ended, facts

pytestmark = pytest.mark.anyio
MODEL = """
[model]
batch = 2
[model.local]
model = "{folder}"
[model.sampling]
max_new_tokens = 40
"""


@pytest.fixture
def settings(store_path: Path, model_folder: Path, tmp_path: Path) -> ServerSettings:
    model = tmp_path / "tiny.toml"
    model.write_text(MODEL.format(folder=model_folder))
    return ServerSettings(store=store_path, model=model)


async def test_the_servers_model_writes_where_there_is_one(settings: ServerSettings) -> None:
    call = {"parent": "plain-cnn", "wait_s": 0}
    async with Client(build_server(settings)) as client:
        begun = facts(await client.call_tool("propose_delta", call))
        assert (begun["status"], begun["proposer"]) == ("pending", "local")
        job = await ended(client, begun | {"ended_at": None})
        assert job["state"] == "done", job["error"]
        call = {"parent": "plain-cnn", "delta": job["proposal"]["delta"], "dry_run": True}
        assert facts(await client.call_tool("apply_patch", call))["relaxations"] == []
    assert job["proposal"]["proposer"].startswith("tiny")


async def test_a_job_waits_for_the_device_of_the_model_it_needs(
    settings: ServerSettings, queued_jobs: Jobs
) -> None:
    assert settings.model is not None
    text = settings.model.read_text()
    settings.model.write_text(text.replace("[model.sampling]", 'device = "cuda"\n[model.sampling]'))
    role = try_lock(JobTable(settings.store).role("cuda"))
    assert role is not None
    call = {"parent": "plain-cnn", "wait_s": 0}
    async with Client(build_server(settings)) as client:
        await client.call_tool("propose_delta", call)
    [job] = queued_jobs.list(owner=None)
    queued_jobs.cancel(job.id, owner=None)
    role.release()
    assert job.device == "cuda"


@pytest.mark.slow
async def test_a_run_with_the_servers_model_can_be_tuned(settings: ServerSettings) -> None:
    with open_store(settings.store) as store:
        for name in ("squeeze-net", "dense-net"):
            store.import_baseline(name, baselines()[name])
    call = {"run": "night", "proposer": "local", "cycles": 1, "candidates": 1}
    async with Client(build_server(settings)) as client:
        searched = facts(
            await client.call_tool("run_search", {**call, "baselines": ["shuffle-net"]})
        )
        searched = await ended(client, searched)
        assert searched["state"] == "done", searched["error"]
        tuning = {"run": "night", "num_examples": 24, "epochs": 1, "rank": 2}
        tuned = await ended(client, facts(await client.call_tool("finetune_lora", tuning)))
    assert tuned["state"] == "done", tuned["error"]
    assert tuned["tuning"]["adapter"] == "night/c01"
