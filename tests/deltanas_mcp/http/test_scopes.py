"""What a token is for, and whose jobs its owner sees."""

from collections.abc import Generator

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.types import ResourceTemplateReference

from deltanas_mcp.http.app import auth_of, build_app, verifier_of
from deltanas_mcp.http.settings import HttpSettings
from deltanas_mcp.server.access import Access, current_owner
from deltanas_mcp.server.app import SCOPES
from tests.deltanas_mcp.calls import Era, facts, refusal
from tests.deltanas_mcp.http.serving import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    TOKENS,
    begin_session,
    connected,
    in_session,
    post,
    request,
    serving,
)

pytestmark = pytest.mark.anyio


def small_server(settings: HttpSettings | None = None) -> MCPServer:
    """Return a server with a tool for each scope, and one that nobody thought of."""
    access = Access({"look": "read", "add": "write", "work": "train"})
    server = MCPServer(
        "small",
        extensions=[access],
        token_verifier=verifier_of(settings) if settings else None,
        auth=auth_of(settings) if settings else None,
    )

    def owner() -> str:
        return current_owner()

    for name in ("look", "add", "work", "forgotten"):
        server.tool(name)(owner)
    return server


@pytest.fixture(scope="module")
def small_url() -> Generator[str]:
    settings = HttpSettings(tokens=TOKENS)
    with serving(build_app(small_server(settings), settings)) as address:
        yield address


@pytest.mark.parametrize(
    ("token", "owner", "allowed"),
    [
        pytest.param(ALICE, "alice", ["look", "add", "work", "forgotten"], id="everything"),
        pytest.param(BOB, "bob", ["look"], id="to look"),
        pytest.param(CAROL, "carol", ["look", "add"], id="to add"),
    ],
)
async def test_a_token_calls_the_tools_of_its_scopes(
    small_url: str, token: str, owner: str, allowed: list[str], era: Era
) -> None:
    async with connected(small_url, token, mode=era) as client:
        for name in ("look", "add", "work", "forgotten"):
            result = await client.call_tool(name, {})
            if name in allowed:
                assert facts(result) == {"result": owner}
            else:
                assert refusal(result).startswith(f"{name} needs the scope deltanas:")


async def test_a_refusal_names_the_scope_and_what_there_is(small_url: str, era: Era) -> None:
    async with connected(small_url, CAROL, mode=era) as client:
        words = refusal(await client.call_tool("work", {}))
    assert words == (
        "work needs the scope deltanas:train; your token has deltanas:read, deltanas:write"
    )


async def test_without_http_all_tools_are_the_local_users(era: Era) -> None:
    async with Client(small_server(), mode=era) as client:
        for name in ("look", "add", "work", "forgotten"):
            assert facts(await client.call_tool(name, {})) == {"result": "local"}


def call_in_session(url: str, session: str, token: str, tool: str) -> httpx2.Response:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {}},
    }
    return httpx2.post(f"{url}/mcp", json=body, headers=in_session(session, token))


def test_a_session_is_of_no_use_to_somebody_else(small_url: str) -> None:
    session = begin_session(small_url, ALICE)
    assert call_in_session(small_url, session, BOB, "look").status_code == 404
    answer = call_in_session(small_url, session, ALICE, "look")
    assert "alice" in answer.text


def test_a_token_with_less_does_not_inherit_what_began_the_session() -> None:
    """Both tokens are Alice's; the second is only for looking."""
    less = TOKENS[1].model_copy(update={"name": "alice"})
    settings = HttpSettings(tokens=(TOKENS[0], less))
    with serving(build_app(small_server(settings), settings)) as url:
        session = begin_session(url, ALICE)
        assert "needs the scope" not in call_in_session(url, session, ALICE, "work").text
        answer = call_in_session(url, session, BOB, "work")
    assert answer.status_code == 200
    assert "work needs the scope deltanas:train" in answer.text


async def test_the_job_of_another_owner_is_as_unknown_as_one_that_is_not_there(
    url: str, busy_device: None, era: Era
) -> None:
    async with connected(url, ALICE, mode=era) as client, connected(url, DAVE, mode=era) as other:
        call = {"candidate": "plain-cnn", "idempotency_key": "k", "wait_s": 0}
        job = facts(await client.call_tool("train_one_epoch", call))["job_id"]
        made_up = "A" * len(job)
        assert facts(await other.call_tool("list_jobs", {}))["items"] == []
        for tool in ("get_job", "cancel_job"):
            words, unknown = [
                refusal(await other.call_tool(tool, {"job_id": each})) for each in (job, made_up)
            ]
            assert words == unknown.replace(made_up, job)
        for address in ("deltanas://jobs/{}", "deltanas://jobs/{}/log"):
            for each in (job, made_up):
                with pytest.raises(MCPError, match="there is no job"):
                    await other.read_resource(address.format(each))
        reference = ResourceTemplateReference(uri="deltanas://jobs/{job_id}")
        found = await other.complete(reference, {"name": "job_id", "value": ""})
        assert found.completion.values == []
        theirs = facts(await other.call_tool("train_one_epoch", call))["job_id"]
        assert theirs != job
        await other.call_tool("cancel_job", {"job_id": theirs})
        state = facts(await client.call_tool("cancel_job", {"job_id": job}))["state"]
    assert state == "cancelled"


async def test_every_tool_of_the_server_has_its_scope(url: str, era: Era) -> None:
    async with connected(url, BOB, mode=era) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == SCOPES.keys()
        assert facts(await client.call_tool("list_architectures", {}))["total"] == 2
        assert (await client.read_resource("deltanas://index")).contents
        assert (await client.get_prompt("search_under_budget", {})).messages
        for tool, scope in SCOPES.items():
            if scope != "read":
                words = refusal(await client.call_tool(tool, {}))
                assert words.startswith(f"{tool} needs the scope deltanas:{scope}")


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel"])
async def test_the_task_of_another_owner_is_as_unknown_as_one_that_is_not_there(
    url: str, busy_device: None, method: str
) -> None:
    async with connected(url, ALICE) as client:
        call = {"candidate": "plain-cnn", "wait_s": 0}
        job = facts(await client.call_tool("train_one_epoch", call))["job_id"]
        told = []
        for each in (job, "A" * len(job)):
            sent = request(method, {"taskId": each})
            capabilities = sent["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
            capabilities["extensions"] = {"io.modelcontextprotocol/tasks": {}}
            error = post(url, sent, DAVE).json()["error"]
            told.append((error["code"], error["message"].replace(each, "ID")))
            if each == job:
                assert "result" in post(url, sent, ALICE).json()
        assert told[0] == told[1]
        await client.call_tool("cancel_job", {"job_id": job})
