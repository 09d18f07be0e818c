"""What a token is for, and whose jobs its owner sees."""

from collections.abc import Generator

import httpx2
import pytest
from mcp import Client
from mcp.server import MCPServer

from deltanas_mcp.http.app import auth_of, build_app, verifier_of
from deltanas_mcp.http.settings import HttpSettings
from deltanas_mcp.server.access import Access, current_owner
from tests.deltanas_mcp.calls import Era, facts, refusal
from tests.deltanas_mcp.http.serving import (
    ALICE,
    BOB,
    CAROL,
    DAVE,
    LEGACY,
    TOKENS,
    bearer,
    connected,
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


def begin_session(url: str, token: str) -> str:
    """Begin a session of the handshake era and return its id."""
    body = {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {
            "protocolVersion": LEGACY,
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    answer = httpx2.post(f"{url}/mcp", json=body, headers=_accept(token))
    return str(answer.headers["Mcp-Session-Id"])


def call_in_session(url: str, session: str, token: str, tool: str) -> httpx2.Response:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": tool, "arguments": {}},
    }
    headers = _accept(token) | {"Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY}
    return httpx2.post(f"{url}/mcp", json=body, headers=headers)


def _accept(token: str) -> dict[str, str]:
    return bearer(token) | {"Accept": "application/json, text/event-stream"}


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
    url: str, era: Era
) -> None:
    async with connected(url, ALICE, mode=era) as client:
        call = {"run": "hers", "cycles": 1, "candidates": 1, "wait_s": 0}
        job = facts(await client.call_tool("run_search", call))["job_id"]
        async with connected(url, DAVE, mode=era) as other:
            assert facts(await other.call_tool("list_jobs", {}))["items"] == []
            for tool in ("get_job", "cancel_job"):
                words = refusal(await other.call_tool(tool, {"job_id": job}))
                made_up = "A" * len(job)
                assert words == refusal(await other.call_tool(tool, {"job_id": made_up})).replace(
                    made_up, job
                )
        state = facts(await client.call_tool("cancel_job", {"job_id": job}))["state"]
    assert state == "cancelled"
