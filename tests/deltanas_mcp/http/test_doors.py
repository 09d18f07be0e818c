"""Who gets in over HTTP, and who does not."""

import httpx2
import pytest

from deltanas_mcp.http.settings import HttpSettings
from tests.deltanas_mcp.calls import Era, facts
from tests.deltanas_mcp.http.conftest import Serve
from tests.deltanas_mcp.http.serving import (
    ALICE,
    TOKENS,
    bearer,
    connected,
    headers_of,
    post,
    request,
)

pytestmark = pytest.mark.anyio
LIST = request("tools/list")


async def test_a_client_with_a_token_sees_the_store(url: str, era: Era) -> None:
    async with connected(url, ALICE, mode=era) as client:
        page = facts(await client.call_tool("list_architectures", {}))
    assert {each["name"] for each in page["items"]} == {"plain-cnn", "shuffle-net"}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param(bearer(ALICE[:-1]), id="cut short"),
        pytest.param(bearer(ALICE + "x"), id="too long"),
        pytest.param({"Authorization": "Bearer"}, id="empty"),
        pytest.param({"Authorization": f"Basic {ALICE}"}, id="another scheme"),
        pytest.param({"Authorization": ALICE}, id="without a scheme"),
        pytest.param({"Authorization": b"Bearer \xff\xfe".decode("latin-1")}, id="no ASCII"),
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_without_its_token_nobody_gets_in(door: str, headers: dict[str, str], method: str) -> None:
    own = [
        (key.encode(), value.encode("latin-1"))
        for key, value in (headers_of(LIST) | headers).items()
    ]
    answer = httpx2.request(
        method, f"{door}/mcp", headers=own, json=LIST if method == "POST" else None
    )
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')


@pytest.mark.parametrize("place", ["query", "cookie"])
def test_a_token_counts_in_the_header_alone(door: str, place: str) -> None:
    answer = httpx2.post(
        f"{door}/mcp",
        json=LIST,
        headers=headers_of(LIST),
        params={"access_token": ALICE} if place == "query" else None,
        cookies={"access_token": ALICE} if place == "cookie" else None,
    )
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/mcp", "/health", "/.well-known/oauth-protected-resource/mcp"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({"Host": "evil.example"}, 421, id="another host"),
        pytest.param({"Host": "evil.example:8765"}, 421, id="another host with a port"),
        pytest.param({"Host": "127.0.0.1.evil.example:80"}, 421, id="a host that begins like ours"),
        pytest.param({"Origin": "http://evil.example"}, 403, id="another site"),
        pytest.param({"Origin": "null"}, 403, id="a page without an origin"),
        pytest.param({"Origin": "http://localhost.evil.example"}, 403, id="begins like ours"),
    ],
)
def test_a_page_that_rebinds_its_name_gets_nothing(
    door: str, path: str, headers: dict[str, str], status: int
) -> None:
    own = headers_of(LIST, ALICE) | headers
    assert httpx2.post(f"{door}{path}", json=LIST, headers=own).status_code == status
    assert httpx2.get(f"{door}{path}", headers=own).status_code == status


def test_the_health_endpoint_says_that_and_no_more(url: str) -> None:
    answer = httpx2.get(f"{url}/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_who_guesses_tokens_is_sent_away(url: str) -> None:
    statuses = [post(url, LIST, f"guess-{number:012}").status_code for number in range(62)]
    assert statuses[:60] == [401] * 60
    last = post(url, LIST, ALICE)
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) >= 1


def test_a_name_that_was_allowed_is_let_in(serve: Serve) -> None:
    settings = HttpSettings(tokens=TOKENS, allowed_hosts=("nas.example",))
    with serve(settings) as url:
        for host in ("nas.example", "nas.example:443", "127.0.0.1:9"):
            assert post(url, LIST, ALICE, {"Host": host}).status_code == 200
        assert post(url, LIST, ALICE, {"Host": "other.example"}).status_code == 421


def test_a_page_that_was_allowed_can_read_the_answers(serve: Serve) -> None:
    origin = "https://page.example"
    with serve(HttpSettings(tokens=TOKENS, allowed_origins=(origin,))) as url:
        asked = httpx2.options(
            f"{url}/mcp",
            headers={
                "Origin": origin,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization,mcp-method",
            },
        )
        assert (asked.status_code, asked.headers["Access-Control-Allow-Origin"]) == (200, origin)
        answer = post(url, LIST, ALICE, {"Origin": origin})
        assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, origin)
        assert post(url, LIST, ALICE, {"Origin": "https://other.example"}).status_code == 403


async def test_without_tokens_everybody_on_this_machine_is_the_local_user(
    serve: Serve, era: Era
) -> None:
    with serve(HttpSettings(is_insecure=True)) as url:
        async with connected(url, mode=era) as client:
            assert facts(await client.call_tool("list_jobs", {}))["items"] == []
        assert post(url, LIST, headers={"Host": "evil.example"}).status_code == 421
