"""Completion of names and ids."""

from pathlib import Path

import pytest
from mcp import Client
from mcp.server import MCPServer
from mcp.types import Completion, PromptReference, ResourceTemplateReference

from deltanas_mcp.jobs import Jobs
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.records import Architecture
from tests.deltanas_mcp.calls import Era
from tests.records_for_tests import kept, pending

pytestmark = pytest.mark.anyio
DIFF = "deltanas://architectures/{id}/diff/{other}"
FILE = "deltanas://architectures/{id}/files/{+path}"


@pytest.fixture(autouse=True)
def candidate(store_path: Path) -> str:
    """The id of a kept candidate."""
    with open_store(store_path) as store:
        store.begin_run("night", {"kind": "search"})
        begun = pending(store.resolve("plain-cnn"))
        store.reserve(begun)
        return store.finish(kept(begun))


async def completed(
    client: Client, uri: str, argument: str, value: str, chosen: dict[str, str] | None = None
) -> Completion:
    """What is offered for an argument of a template."""
    ref = ResourceTemplateReference(uri=uri)
    answer = await client.complete(ref, {"name": argument, "value": value}, chosen)
    return answer.completion


async def prompted(client: Client, name: str, argument: str, value: str) -> list[str]:
    """What is offered for an argument of a prompt."""
    ref = PromptReference(name=name)
    return (await client.complete(ref, {"name": argument, "value": value})).completion.values


async def test_architectures_come_by_name_the_best_first(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        everything = await completed(client, DIFF, "id", "")
        plain = await completed(client, DIFF, "id", "PLAIN")
        within = await completed(client, DIFF, "id", "c01")
    assert everything.values == ["night/c01-001", "plain-cnn", "shuffle-net"]
    assert (everything.total, everything.has_more) == (3, False)
    assert plain.values == ["plain-cnn"]
    assert within.values == ["night/c01-001"]


async def test_the_beginning_of_an_id_is_completed(
    server: MCPServer, candidate: str, era: Era
) -> None:
    async with Client(server, mode=era) as client:
        assert candidate in (await completed(client, DIFF, "id", candidate[:6])).values


async def test_an_architecture_is_not_compared_with_itself(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        other = await completed(client, DIFF, "other", "", {"id": "plain-cnn"})
    assert other.values == ["night/c01-001", "shuffle-net"]


async def test_files_data_sets_and_runs_are_completed(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        files = await completed(client, FILE, "path", "n")
        datasets = await completed(client, "deltanas://leaderboard/{dataset}", "dataset", "")
        runs = await completed(client, "deltanas://runs/{run}", "run", "ni")
    assert files.values == ["net.py", "hparams.json"]
    assert datasets.values[0] == "digits"
    assert "cifar-10" in datasets.values
    assert runs.values == ["night"]


async def test_only_ones_own_jobs_are_offered(
    server: MCPServer, queued_jobs: Jobs, era: Era
) -> None:
    mine = queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="local")
    queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="somebody")
    async with Client(server, mode=era) as client:
        found = await completed(client, "deltanas://jobs/{job_id}", "job_id", "")
    assert found.values == [mine.id]


async def test_arguments_of_prompts_are_completed_alike(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        architectures = await prompted(client, "improve_architecture", "architecture", "shuf")
        runs = await prompted(client, "review_run", "run", "")
        minutes = await prompted(client, "search_under_budget", "minutes", "6")
        goals = await prompted(client, "search_under_budget", "goal", "a")
    assert (architectures, runs, minutes, goals) == (["shuffle-net"], ["night"], ["60"], [])


async def test_no_more_than_a_hundred_values_are_sent(
    server: MCPServer, store_path: Path, era: Era
) -> None:
    with open_store(store_path) as store:
        for number in range(110):
            own = Architecture(source=f"width = {number}\n", hparams={})
            store.import_baseline(f"net-{number:03}", own)
    async with Client(server, mode=era) as client:
        found = await completed(client, DIFF, "id", "net-")
    assert (len(found.values), found.total, found.has_more) == (100, 110, True)
