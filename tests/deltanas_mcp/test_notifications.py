"""Clients of both eras hear of resources that change, whoever changed them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp import Client, MCPError
from mcp.client.subscriptions import ResourceUpdated
from mcp.server import MCPServer
from mcp.types import (
    INVALID_PARAMS,
    EmptyResult,
    ResourceUpdatedNotification,
    SubscribeRequest,
    SubscribeRequestParams,
    UnsubscribeRequest,
    UnsubscribeRequestParams,
)

from deltanas_mcp.jobs import Jobs
from deltanas_mcp.jobs.table import JobTable
from deltanas_mcp.server.watching import MAX_WATCHED
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.store import Store
from tests.deltanas_mcp.calls import Era
from tests.records_for_tests import evaluation

pytestmark = pytest.mark.anyio
INDEX = "deltanas://index"
BOARD = "deltanas://leaderboard/digits"
NET = "deltanas://architectures/plain-cnn"
PATIENCE = 30.0
"""Seconds after which a notification counts as lost; a look is due every second."""
Next = Callable[[], Awaitable[str]]


@pytest.fixture
def store(store_path: Path) -> Generator[Store]:
    with open_store(store_path) as opened:
        yield opened


async def subscribe(client: Client, uri: str) -> None:
    """Subscribe as clients of earlier eras do."""
    params = SubscribeRequestParams(uri=uri)
    await client.session.send_request(SubscribeRequest(params=params), EmptyResult)


async def unsubscribe(client: Client, uri: str) -> None:
    params = UnsubscribeRequestParams(uri=uri)
    await client.session.send_request(UnsubscribeRequest(params=params), EmptyResult)


@asynccontextmanager
async def listening(server: MCPServer, era: Era, *uris: str) -> AsyncGenerator[Next]:
    """Connect, listen to resources, and give a function that waits for the next that changed."""
    if era == "auto":
        async with (
            Client(server) as client,
            client.listen(resource_subscriptions=uris) as stream,
        ):
            events = aiter(stream)

            async def of_the_stream() -> str:
                with anyio.fail_after(PATIENCE):
                    event = await anext(events)
                assert isinstance(event, ResourceUpdated)
                return event.uri

            yield of_the_stream
        return
    send, receive = anyio.create_memory_object_stream[str](100)

    async def heard(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            await send.send(str(message.params.uri))

    async def of_the_messages() -> str:
        with anyio.fail_after(PATIENCE):
            return await receive.receive()

    with send, receive:
        async with Client(server, mode="legacy", message_handler=heard) as client:
            for uri in uris:
                await subscribe(client, uri)
            yield of_the_messages


async def test_both_eras_are_told_that_resources_can_be_watched(
    server: MCPServer, era: Era
) -> None:
    async with Client(server, mode=era) as client:
        assert client.server_capabilities.resources is not None
        assert client.server_capabilities.resources.subscribe


async def test_a_job_that_somebody_ends_is_told_of(
    server: MCPServer, queued_jobs: Jobs, era: Era
) -> None:
    job = queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="local")
    async with listening(server, era, f"deltanas://jobs/{job.id}") as changed:
        queued_jobs.cancel(job.id, owner="local")
        assert await changed() == f"deltanas://jobs/{job.id}"


async def test_only_what_changed_is_told_of(
    server: MCPServer, store: Store, queued_jobs: Jobs, era: Era
) -> None:
    job = queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="local")
    other = queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="local")
    uris = [f"deltanas://jobs/{each.id}" for each in (job, other)]
    async with listening(server, era, NET, BOARD, INDEX, *uris) as changed:
        store.add_evaluation(store.resolve("shuffle-net"), evaluation(0.5))
        assert {await changed(), await changed()} == {BOARD, INDEX}
        queued_jobs.cancel(other.id, owner="local")
        assert await changed() == uris[1]
        store.add_evaluation(store.resolve("plain-cnn"), evaluation(0.6))
        assert {await changed(), await changed(), await changed()} == {NET, BOARD, INDEX}


async def test_a_log_that_grew_is_told_of_once_the_job_says_so(
    server: MCPServer, queued_jobs: Jobs, store_path: Path, era: Era
) -> None:
    silent, job = (
        queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="local") for _ in range(2)
    )
    uris = [f"deltanas://jobs/{each.id}/log" for each in (silent, job)]
    async with listening(server, era, *uris) as changed:
        JobTable(store_path).log(job.id).write_text("epoch 1\n", encoding="utf-8")
        queued_jobs.cancel(silent.id, owner="local")
        assert await changed() == uris[1]


async def test_what_is_not_there_yet_is_told_of_when_it_comes(
    server: MCPServer, store: Store, era: Era
) -> None:
    async with listening(server, era, "deltanas://runs/night") as changed:
        store.begin_run("night", {"kind": "search"})
        assert await changed() == "deltanas://runs/night"


async def test_one_of_two_clients_that_leaves_does_not_silence_the_other(
    server: MCPServer, store: Store, era: Era
) -> None:
    async with listening(server, era, BOARD) as changed:
        async with listening(server, era, BOARD):
            pass
        store.add_evaluation(store.resolve("plain-cnn"), evaluation(0.5))
        assert await changed() == BOARD


async def test_clients_of_both_eras_are_served_by_one_server(
    server: MCPServer, store: Store
) -> None:
    async with listening(server, "auto", BOARD) as new, listening(server, "legacy", BOARD) as old:
        store.add_evaluation(store.resolve("plain-cnn"), evaluation(0.5))
        assert (await new(), await old()) == (BOARD, BOARD)


async def test_a_subscription_can_be_ended(server: MCPServer, store: Store) -> None:
    heard: list[str] = []

    async def hear(message: object) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            heard.append(str(message.params.uri))

    async with (
        Client(server, mode="legacy", message_handler=hear) as client,
        listening(server, "auto", BOARD) as changed,
    ):
        for uri in (BOARD, BOARD, NET):
            await subscribe(client, uri)
        await unsubscribe(client, BOARD)
        await unsubscribe(client, "deltanas://never-asked-for")
        store.add_evaluation(store.resolve("plain-cnn"), evaluation(0.5))
        await changed()
        with anyio.fail_after(PATIENCE):
            while not heard:
                await anyio.sleep(0.01)
    assert heard == [NET]


async def test_another_owners_job_is_not_watched(server: MCPServer, queued_jobs: Jobs) -> None:
    job = queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="somebody")
    uri = f"deltanas://jobs/{job.id}"
    async with (
        Client(server) as client,
        client.listen(resource_subscriptions=[uri, BOARD]) as stream,
    ):
        assert stream.honored.resource_subscriptions == [BOARD]
    async with Client(server, mode="legacy") as client:
        with pytest.raises(MCPError, match="no job of yours") as refused:
            await subscribe(client, uri)
    assert refused.value.code == INVALID_PARAMS


async def test_a_client_cannot_watch_without_end(server: MCPServer) -> None:
    uris = [f"deltanas://runs/run-{number}" for number in range(MAX_WATCHED + 1)]
    async with Client(server) as client:
        with pytest.raises(MCPError, match="at most"):
            async with client.listen(resource_subscriptions=uris):
                pass
        with pytest.raises(MCPError, match="characters"):
            async with client.listen(resource_subscriptions=["deltanas://" + "a" * 10_000]):
                pass
    async with Client(server, mode="legacy") as client:
        for uri in uris[:-1]:
            await subscribe(client, uri)
        with pytest.raises(MCPError, match="at most"):
            await subscribe(client, uris[-1])
