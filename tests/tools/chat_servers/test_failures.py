"""Servers that are down, refuse, or send nonsense; and budgets that end."""

import json
import logging
import socket
import traceback
from collections.abc import Callable, Generator
from typing import Any

import pytest

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.chat_servers import ServerSpec, Spent
from deltanas_tools.chat_servers.breaker import FAILURES
from deltanas_tools.chat_servers.server import MAX_PARALLEL, ChatServer
from deltanas_tools.language_models.records import Message, Sampling
from tests.tools.chat_servers.scripted import (
    CHAT,
    CLOSED,
    HTML,
    SILENCE,
    Reply,
    Scripted,
    completion,
    failure,
)

PROMPT = (Message(role="user", text="Hello!"),)
SHORT = Sampling(max_new_tokens=10)
MOST = len("Hello!") + 64 + 10
KEY = "secret-key-17"
NOTHING_SPENT = Spent()
MODELS = Reply(json.dumps({"data": [{"id": "small"}, {"id": "large"}]}))
HALF = Reply(completion().body, cut=20)
Connect = Callable[..., ChatServer]


@pytest.fixture
def waits() -> list[float]:
    """How long the servers that are connected `to` had us wait."""
    return []


@pytest.fixture
def to(scripted: Scripted, waits: list[float]) -> Generator[Connect]:
    opened: list[ChatServer] = []

    def open_one(spent: Spent = NOTHING_SPENT, **settings: Any) -> ChatServer:
        known = {"base_url": scripted.url, "model": "m", "max_retries": 2}
        spec = ServerSpec.model_validate(known | settings)
        opened.append(ChatServer(spec, api_key=KEY, spent=spent, sleep=waits.append))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def ask(server: ChatServer, num_answers: int = 1) -> list[str]:
    answers = server.complete(PROMPT, seeds=range(num_answers), sampling=SHORT)
    return [each.text for each in answers]


@pytest.mark.parametrize(
    "trouble",
    [
        *(pytest.param(failure(code, "later"), id=str(code)) for code in (408, 409, 429, 500, 503)),
        pytest.param(Reply("<html>Bad gateway</html>", status=502), id="502 in HTML"),
        pytest.param(CLOSED, id="a closed connection"),
        pytest.param(HALF, id="half a stream"),
    ],
)
def test_what_may_pass_is_asked_again(scripted: Scripted, to: Connect, trouble: Reply) -> None:
    scripted.script(CHAT, trouble, trouble, completion("at last"))
    assert ask(to()) == ["at last"]
    assert len({json.dumps(each) for each in scripted.bodies()}) == 1


def test_an_answer_that_does_not_come_in_time_is_asked_for_again(
    scripted: Scripted, to: Connect
) -> None:
    scripted.script(CHAT, SILENCE, completion("at last"))
    assert ask(to(timeout_seconds=0.1)) == ["at last"]


def test_waits_are_random_and_grow_unless_the_server_says_how_long(
    scripted: Scripted, to: Connect, waits: list[float]
) -> None:
    scripted.script(
        CHAT,
        failure(429, "slow down", Retry_After="0"),
        failure(429, "slow down", Retry_After="7.5"),
        failure(429, "slow down", Retry_After="Wed, 21 Oct 2015 07:28:00 GMT"),
        failure(429, "slow down", Retry_After="soon"),
        completion(),
    )
    ask(to(max_retries=4))
    assert waits[:3] == [0.0, 7.5, 0.0]
    assert 0 <= waits[3] <= 8


def test_nobody_waits_as_long_as_a_server_likes(
    scripted: Scripted, to: Connect, waits: list[float]
) -> None:
    scripted.script(CHAT, failure(429, "quota", Retry_After="86400"))
    with pytest.raises(ProposerError, match="come back in 86400 s: quota"):
        ask(to())
    assert waits == []


@pytest.mark.parametrize(
    ("nonsense", "said"),
    [
        pytest.param(HTML, "It works!", id="HTML"),
        pytest.param(Reply(""), "but: nothing", id="nothing"),
        pytest.param(Reply('{"choices": [{"mess'), '"mess', id="half a JSON"),
        pytest.param(Reply('{"choices": []}'), "choices", id="no choices"),
        pytest.param(Reply('{"error": "oh"}'), "oh", id="an error with status 200"),
        pytest.param(completion(None), "without text", id="no text"),
        pytest.param(completion(usage={"prompt_tokens": -1}), "usage", id="impossible tokens"),
        pytest.param(Reply("[]"), "[]", id="another JSON"),
    ],
)
def test_nonsense_is_an_error_that_shows_it(
    scripted: Scripted, to: Connect, nonsense: Reply, said: str
) -> None:
    scripted.script(CHAT, nonsense)
    with pytest.raises(ProposerError) as caught:
        ask(to())
    assert said in str(caught.value)
    assert scripted.url in str(caught.value)


def test_only_the_beginning_of_nonsense_is_shown(scripted: Scripted, to: Connect) -> None:
    scripted.script(CHAT, Reply("<p>" + "x" * 5000))
    with pytest.raises(ProposerError) as caught:
        ask(to())
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(
            failure(400, "failed to parse grammar"), "failed to parse grammar", id="a bad grammar"
        ),
        pytest.param(
            failure(400, "request (631 tokens) exceeds the context size (512 tokens)"),
            r"631 tokens.*512 tokens.*shorten the brief",
            id="a prompt that is too long",
        ),
        pytest.param(failure(401, "who are you"), "who are you.*THE_KEY", id="a wrong key"),
        pytest.param(failure(404, "no model m"), "no model m.*small, large", id="a wrong model"),
    ],
)
def test_a_refusal_is_told_at_once_and_not_tried_again(
    scripted: Scripted, to: Connect, reply: Reply, said: str
) -> None:
    scripted.script(CHAT, reply)
    scripted.script("/v1/models", MODELS)
    with pytest.raises(ProposerError, match=said):
        ask(to(api_key_env="THE_KEY"))
    assert len(scripted.bodies()) == 1


def test_a_wrong_address_is_guessed_from_a_server_without_models(
    scripted: Scripted, to: Connect
) -> None:
    with pytest.raises(ProposerError, match="does the address end in /v1"):
        ask(to(base_url=scripted.url.removesuffix("/v1")))


@pytest.mark.parametrize(
    "reply",
    [
        failure(401, f"Incorrect API key provided: {KEY}"),
        failure(401, f"{'x' * 190}{KEY}"),
        failure(401, "Incorrect API key provided: sk-pr****7fQA"),
        failure(500, f"Authorization: Bearer {KEY}"),
        Reply(f"<html>{KEY}</html>"),
    ],
)
def test_a_key_that_the_server_repeats_is_not_shown(
    scripted: Scripted, to: Connect, reply: Reply, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.script(CHAT, reply)
    with caplog.at_level(logging.DEBUG), pytest.raises(ProposerError) as caught:
        ask(to())
    told = "".join(traceback.format_exception(caught.value)) + caplog.text
    told += " ".join(str(vars(each)) for each in caplog.records if each.name.startswith("deltanas"))
    assert "[key]" in told
    assert KEY[:8] not in told
    assert "7fQA" not in told


def test_a_server_that_stays_down_is_left_alone_until_it_shows_signs_of_life(
    scripted: Scripted, to: Connect
) -> None:
    scripted.script(CHAT, failure(503, "overloaded"))
    scripted.script("/v1/models", CLOSED)
    server = to(max_retries=0)
    for _ in range(FAILURES):
        with pytest.raises(ProposerError, match="can be resumed"):
            ask(server)
    with pytest.raises(ProposerError, match="nothing more is sent"):
        ask(server)
    assert len(scripted.bodies()) == FAILURES

    scripted.script("/v1/models", MODELS)
    with pytest.raises(ProposerError, match="overloaded"):
        ask(server)  # alive, but not well: one more failure was enough
    scripted.script("/v1/models", CLOSED)
    with pytest.raises(ProposerError, match="nothing more is sent"):
        ask(server)

    scripted.script("/v1/models", MODELS)
    scripted.script(CHAT, completion("well again"))
    assert ask(server) == ["well again"]


def test_of_many_answers_only_those_under_way_are_asked_for_when_the_server_is_down(
    scripted: Scripted, to: Connect
) -> None:
    scripted.script(CHAT, failure(503, "overloaded"))
    with pytest.raises(ProposerError, match="overloaded"):
        ask(to(max_retries=0), num_answers=3 * MAX_PARALLEL)
    assert len(scripted.bodies()) <= MAX_PARALLEL + FAILURES


def test_nobody_at_the_address_is_said_in_so_many_words(to: Connect) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # and never listens
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
        server = to(base_url=url, max_tokens_total=MOST)
        with pytest.raises(ProposerError, match="the connection failed"):
            ask(server)
    assert server.spent == Spent()


@pytest.mark.parametrize("limit", [{"max_tokens_total": 3 * MOST}, {"max_usd": 3.01 * MOST * 1e-6}])
def test_a_cap_is_looked_at_with_the_worst_case_before_anything_is_sent(
    scripted: Scripted, to: Connect, limit: dict[str, float]
) -> None:
    prices = {"price_per_million_input": 1.0, "price_per_million_output": 1.0}
    server = to(**limit, **prices)
    with pytest.raises(ProposerError, match="budget"):
        ask(server, num_answers=4)
    assert scripted.asked == []
    ask(server, num_answers=3)
    ask(server, num_answers=2)
    with pytest.raises(ProposerError, match="budget"):
        ask(server, num_answers=2)
    assert server.spent.input_tokens + server.spent.output_tokens == 5 * 25


def test_what_earlier_sessions_spent_counts(scripted: Scripted, to: Connect) -> None:
    server = to(spent=Spent(input_tokens=1000), max_tokens_total=1000 + MOST - 1)
    with pytest.raises(ProposerError, match="1,000 tokens are spent"):
        ask(server)
    assert scripted.asked == []


@pytest.mark.parametrize(
    ("trouble", "most"),
    [
        pytest.param(failure(503, "busy"), 25, id="a refusal costs nothing"),
        pytest.param(HALF, MOST + 25, id="an answer that was lost counts as the longest"),
    ],
)
def test_the_cap_holds_for_retries_too(
    scripted: Scripted, to: Connect, trouble: Reply, most: int
) -> None:
    scripted.script(CHAT, trouble, completion())
    server = to(max_tokens_total=2 * MOST)
    ask(server)
    assert server.spent.input_tokens + server.spent.output_tokens == most


def test_a_retry_that_could_break_the_cap_is_not_sent(scripted: Scripted, to: Connect) -> None:
    scripted.script(CHAT, HALF)
    server = to(max_tokens_total=2 * MOST - 1)
    with pytest.raises(ProposerError, match="budget"):
        ask(server)
    assert len(scripted.bodies()) == 1
    assert server.spent.num_estimated == 1
