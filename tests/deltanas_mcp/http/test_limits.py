"""Sizes, depths and rates: what goes beyond is refused, and the server goes on."""

import json
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_mcp.http.buckets import Buckets
from deltanas_mcp.http.nesting import too_much_of
from deltanas_mcp.http.settings import HttpSettings
from tests.deltanas_mcp.http.conftest import Serve
from tests.deltanas_mcp.http.serving import (
    ALICE,
    BOB,
    LEGACY,
    TOKENS,
    bearer,
    headers_of,
    post,
    request,
)

LIST = request("tools/list")


def depth(value: Any) -> int:
    children = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth, children), default=0)


json_values = st.recursive(
    st.none() | st.text('"\\[]{}x') | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text('"\\[]{}x'), inner),
)


@given(value=json_values, limit=st.integers(0, 5), ascii_only=st.booleans())
def test_depth_is_counted_as_a_parser_would(value: Any, limit: int, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert (too_much_of(body, max_depth=limit) is not None) == (depth(value) > limit)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        pytest.param(b"[" * 4_000_000, "10000 lists", id="only opened"),
        pytest.param(b'{"a":' * 800_000, "10000 lists", id="objects only opened"),
        pytest.param(b"[]," * 1_400_000, "10000 lists", id="many lists"),
        pytest.param(b"[" * 65 + b"]" * 65, "64 levels", id="one level too deep"),
        pytest.param(b"[" * 65, "64 levels", id="and not closed"),
        pytest.param(b'"\\\\"' + b"[" * 65 + b'",', "64 levels", id="after a string"),
    ],
)
def test_what_a_parser_should_not_see_is_found(body: bytes, words: str) -> None:
    assert words in (too_much_of(body) or "")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"[" * 64 + b"]" * 64, id="as deep as may be"),
        pytest.param(b'"' + b"[" * 4_000_000 + b'"', id="a string of brackets"),
        pytest.param(b'"' + b'\\"' * 2_000_000, id="an unfinished string of quotes"),
        pytest.param(b'"' + b'\\"[' * 1_400_000 + b"\\", id="one that ends in a backslash"),
        pytest.param(b'"",' * 1_400_000, id="many strings"),
        pytest.param(b"\x00\xff" * 2_000_000, id="no text"),
    ],
)
def test_what_is_long_is_not_called_deep(body: bytes) -> None:
    assert too_much_of(body) is None


def test_a_bucket_gives_a_minutes_worth_and_then_one_at_a_time() -> None:
    now = [0.0]
    bucket = Buckets(60, clock=lambda: now[0])
    assert [bucket.take("a") for _ in range(61)] == [0.0] * 60 + [1.0]
    assert bucket.take("b") == 0.0
    now[0] = 1.0
    assert bucket.take("a") == 0.0
    assert bucket.wait("a") == 1.0


def test_too_large_a_body_is_refused(door: str) -> None:
    call = {"name": "get_architecture", "arguments": {"architecture": "x" * 4_300_000}}
    assert post(door, request("tools/call", call), ALICE).status_code == 413
    assert post(door, LIST, ALICE).status_code == 200


def test_too_large_a_body_is_refused_where_its_size_is_not_told(door: str) -> None:
    chunks = (b"x" * 65_536 for _ in range(70))
    headers = headers_of(LIST, ALICE) | {"Content-Type": "application/json"}
    assert httpx2.post(f"{door}/mcp", content=chunks, headers=headers).status_code == 413


@pytest.mark.parametrize("version", ["2026-07-28", LEGACY])
def test_a_body_that_is_nested_too_deeply_is_refused(door: str, version: str) -> None:
    nested = "[" * 5_000 + "]" * 5_000
    body = json.dumps(request("tools/call", {"name": "list_jobs", "arguments": {"state": 0}}))
    headers = headers_of(LIST, ALICE) | {
        "MCP-Protocol-Version": version,
        "Content-Type": "application/json",
    }
    answer = httpx2.post(
        f"{door}/mcp", content=body.replace('"state": 0', f'"state": {nested}'), headers=headers
    )
    assert answer.status_code == 400
    assert "64 levels" in answer.json()["error"]["message"]
    assert post(door, LIST, ALICE).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="half"),
        pytest.param(b"[[[[", id="only opened"),
        pytest.param(b"\xff\xfe\x00", id="no text"),
        pytest.param(b"1" * 5000, id="a long number"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"jsonrpc": "2.0", "id": NaN, "method": "x"}', id="no JSON"),
        pytest.param(b'"\\ud800"', id="half a character"),
    ],
)
@pytest.mark.parametrize("version", ["2026-07-28", LEGACY])
def test_a_body_that_is_no_message_is_the_clients_fault(
    door: str, version: str, body: bytes
) -> None:
    headers = headers_of(LIST, ALICE) | {
        "MCP-Protocol-Version": version,
        "Content-Type": "application/json",
    }
    answer = httpx2.post(f"{door}/mcp", content=body, headers=headers)
    assert answer.status_code == 400
    assert "Traceback" not in answer.text


def test_nobody_reads_a_body_of_somebody_without_a_token(door: str) -> None:
    nested = {"Content-Type": "application/json"}
    body = b"[" * 1000
    assert httpx2.post(f"{door}/mcp", content=body, headers=nested).status_code == 401
    known = nested | bearer(ALICE)
    assert httpx2.post(f"{door}/mcp", content=body, headers=known).status_code == 400


def test_an_owner_who_asks_too_often_is_told_when_to_come_back(serve: Serve) -> None:
    with serve(HttpSettings(tokens=TOKENS, requests_per_minute=10)) as url:
        answers = [post(url, LIST, ALICE) for _ in range(12)]
        assert [each.status_code for each in answers[:10]] == [200] * 10
        refused = answers[-1]
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert "wait_s" in refused.json()["error"]["message"]
        assert post(url, LIST, BOB).status_code == 200


def test_without_tokens_an_address_is_an_owner(serve: Serve) -> None:
    with serve(HttpSettings(is_insecure=True, requests_per_minute=5)) as url:
        statuses = [post(url, LIST).status_code for _ in range(6)]
    assert statuses == [200] * 5 + [429]
