"""Answers of servers that behave: what is sent, and what is read."""

import json
import logging
import re
from collections.abc import Callable, Generator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.errors import ConfigError, ProposerError
from deltanas_repo_store.records import NAME_PATTERN
from deltanas_tools.chat_servers import ServerSpec, connect
from deltanas_tools.chat_servers.answers import read_answer
from deltanas_tools.chat_servers.ledger import Usage
from deltanas_tools.chat_servers.server import ChatServer
from deltanas_tools.chat_servers.spec import Flavour
from deltanas_tools.language_models.records import Message, Sampling
from tests.tools.chat_servers.scripted import CHAT, Scripted, completion

PROMPT = (Message(role="system", text="Be brief."), Message(role="user", text="Hello!"))
PAPER = Sampling()
COMPLETION_KEYS = ("choices", "message", "content", "usage", "prompt_tokens", "completion_tokens")
Connect = Callable[..., ChatServer]


@pytest.fixture
def to(scripted: Scripted) -> Generator[Connect]:
    opened: list[ChatServer] = []

    def open_one(**settings: Any) -> ChatServer:
        spec = ServerSpec.model_validate({"base_url": scripted.url, "model": "m", **settings})
        opened.append(connect(spec, api_key="secret-key-17"))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def test_messages_and_sampling_arrive_as_they_were_given(scripted: Scripted, to: Connect) -> None:
    [answer] = to().complete(PROMPT, seeds=[7], sampling=PAPER)
    assert (answer.text, answer.finished) == ("fine", True)
    assert (answer.input_tokens, answer.num_tokens, answer.is_estimate) == (20, 5, False)
    assert scripted.bodies() == [
        {
            "model": "m",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hello!"},
            ],
            "seed": 7,
            "temperature": 0.35,
            "top_p": 0.9,
            "max_tokens": 1024,
        }
    ]


def test_every_seed_is_a_request_of_its_own_and_answers_keep_their_order(
    scripted: Scripted, to: Connect
) -> None:
    scripted.script(CHAT, *(completion(str(each)) for each in range(6)))
    answers = to().complete(PROMPT, seeds=[5, 4, 3, 2, 1, 0], sampling=PAPER)
    sent = {body["seed"]: str(place) for place, body in enumerate(scripted.bodies())}
    assert [each.text for each in answers] == [sent[seed] for seed in (5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize("seed", [-1, 2**31 - 1, 2**32 - 1, 2**63])
def test_no_seed_is_one_that_a_server_refuses_or_takes_for_chance(
    scripted: Scripted, to: Connect, seed: int
) -> None:
    to().complete(PROMPT, seeds=[seed], sampling=PAPER)
    assert 0 <= scripted.bodies()[0]["seed"] < 2**31 - 1


@pytest.mark.parametrize(
    ("flavour", "field", "value"),
    [
        ("vllm", "structured_outputs", {"grammar": "GRAMMAR"}),
        ("sglang", "ebnf", "GRAMMAR"),
        ("llama.cpp", "grammar", "GRAMMAR"),
    ],
)
def test_the_grammar_goes_in_the_field_that_the_server_knows(
    scripted: Scripted, to: Connect, flavour: Flavour, field: str, value: object
) -> None:
    to(flavour=flavour).complete(PROMPT, seeds=[1], sampling=PAPER, grammar="GRAMMAR")
    assert scripted.bodies()[0][field] == value


@pytest.mark.parametrize(
    ("flavour", "form"),
    [("vllm", "ebnf"), ("sglang", "ebnf"), ("llama.cpp", "gbnf"), ("plain", None)],
)
def test_the_notation_of_a_grammar_follows_from_the_flavour(
    flavour: Flavour, form: str | None
) -> None:
    spec = ServerSpec(base_url="http://h/v1", model="m", flavour=flavour)
    assert spec.grammar_form == form


@pytest.mark.parametrize("flavour", ["vllm", "sglang", "llama.cpp"])
def test_a_server_is_not_left_to_its_own_ideas_of_sampling(
    scripted: Scripted, to: Connect, flavour: Flavour
) -> None:
    to(flavour=flavour).complete(PROMPT, seeds=[1], sampling=Sampling(top_k=0))
    body = scripted.bodies()[0]
    assert (body["top_k"], body["min_p"]) == (-1, 0.0)
    assert 1.0 in (body.get("repetition_penalty"), body.get("repeat_penalty"))


def test_a_plain_server_takes_no_grammar(scripted: Scripted, to: Connect) -> None:
    with pytest.raises(ConfigError, match="flavour is plain"):
        to().complete(PROMPT, seeds=[1], sampling=PAPER, grammar="GRAMMAR")
    assert scripted.asked == []


@pytest.mark.parametrize("reason", ["length", "content_filter", None])
def test_an_answer_is_finished_only_where_the_model_stopped(
    scripted: Scripted, to: Connect, reason: str | None
) -> None:
    scripted.script(CHAT, completion("half of", reason=reason))
    [answer] = to().complete(PROMPT, seeds=[1], sampling=PAPER)
    assert (answer.text, answer.finished) == ("half of", False)


def test_a_model_that_spent_all_tokens_on_reasoning_gave_an_empty_answer(
    scripted: Scripted, to: Connect
) -> None:
    scripted.script(CHAT, completion(None, reason="length"))
    [answer] = to().complete(PROMPT, seeds=[1], sampling=PAPER)
    assert (answer.text, answer.finished) == ("", False)


def test_tokens_that_a_server_does_not_tell_are_estimated_from_above_and_it_is_said(
    scripted: Scripted, to: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.script(CHAT, completion("größer", usage=None))
    server = to()
    with caplog.at_level(logging.WARNING):
        [answer] = server.complete(PROMPT, seeds=[1], sampling=PAPER)
    assert answer.is_estimate
    assert answer.num_tokens == len("größer".encode())
    assert answer.input_tokens >= len("Be brief.Hello!")
    assert server.spent.num_estimated == 1
    assert "does not tell tokens" in caplog.text


def test_what_was_spent_is_the_sum_of_tokens_at_their_prices(to: Connect) -> None:
    prices = {"price_per_million_input": 2.0, "price_per_million_output": 10.0}
    server = to(**prices)
    server.complete(PROMPT, seeds=range(4), sampling=PAPER)
    assert (server.spent.input_tokens, server.spent.output_tokens) == (80, 20)
    assert server.spent.usd == pytest.approx((80 * 2.0 + 20 * 10.0) / 1e6)


def test_the_key_is_sent_and_is_nowhere_else(
    scripted: Scripted, to: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    server = to()
    with caplog.at_level(logging.DEBUG):
        server.complete(PROMPT, seeds=[1], sampling=PAPER)
    assert scripted.asked[0].headers["authorization"] == "Bearer secret-key-17"
    assert "secret-key-17" not in f"{server!r} {server.spec!r} {caplog.text}"


def test_a_newline_after_the_key_is_not_sent(scripted: Scripted) -> None:
    spec = ServerSpec(base_url=scripted.url, model="m")
    with connect(spec, api_key="secret-key-17\n") as server:
        server.complete(PROMPT, seeds=[1], sampling=PAPER)
    assert scripted.asked[0].headers["authorization"] == "Bearer secret-key-17"


@pytest.mark.parametrize("key", ["schlüssel", "two words", "two\nlines"])
def test_a_key_that_no_header_can_carry_is_refused_without_showing_it(key: str) -> None:
    spec = ServerSpec(base_url="http://h/v1", model="m", api_key_env="MY_KEY")
    with pytest.raises(ConfigError, match="the key in MY_KEY") as caught:
        connect(spec, api_key=key)
    assert key not in str(caught.value)


values = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(COMPLETION_KEYS), inner),
)


@given(text=st.text() | values.map(json.dumps))
def test_any_text_is_an_answer_or_an_error_of_ours(text: str) -> None:
    with suppress(ProposerError):
        answer = read_answer(text, most=Usage(100, 10), where="here", api_key="")
        assert answer.num_tokens >= 0


@pytest.mark.parametrize(
    ("model", "adapter", "name"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", None, "Qwen2.5-Coder-7B-Instruct"),
        ("qwen2.5-coder:7b", "night.c03", "qwen2.5-coder-7b-night.c03"),
        ("/models/x y__z.gguf/", None, "x-y-z.gguf"),
        ("模型", None, "model"),
    ],
)
def test_the_name_is_one_that_the_store_takes(
    to: Connect, model: str, adapter: str | None, name: str
) -> None:
    server = to(model=model, adapter=adapter, flavour="vllm")
    assert server.name == name
    assert re.fullmatch(NAME_PATTERN, server.name)
