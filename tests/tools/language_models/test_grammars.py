import re
from typing import Any

import pytest

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.language_models import Generation, LanguageModel, Sampling
from deltanas_tools.language_models.answer import Answer, Detokenizer, Wanted
from deltanas_tools.language_models.grammars import Grammars, end_tokens
from deltanas_tools.language_models.lookup import Lookup
from tests.tools.language_models.small_models import (
    byte_tokenizer,
    sentencepiece_tokenizer,
    small_model,
)

HUNKS = r"""
start: hunk+
hunk: "@@\n" (kept | gone)? added+ kept?
kept: " x = conv(x)\n" | " x = pool(x)\n"
gone: "-x = conv(x)\n"
added: "+" /[a-z]*/ "\n"
"""
IN_HUNKS = re.compile(
    r"(@@\n( x = (conv|pool)\(x\)\n|-x = conv\(x\)\n)?(\+[a-z]*\n)+( x = (conv|pool)\(x\)\n)?)+"
)
HOT = Sampling(temperature=1.5, top_k=0, top_p=1.0, max_new_tokens=150)


@pytest.fixture(params=[byte_tokenizer, sentencepiece_tokenizer])
def model(request: pytest.FixtureRequest) -> LanguageModel:
    return small_model(tokenizer=request.param())


def answered(model: LanguageModel, grammar: str, seeds: Any = range(12)) -> Any:
    prompt = model.tokenizer.encode("x = conv(x)\nx = pool(x)\n")
    return model.generate(prompt, seeds=list(seeds), sampling=HOT, grammar=grammar)


def test_every_finished_answer_is_in_the_language_however_hot(model: LanguageModel) -> None:
    finished = [each.text for each in answered(model, HUNKS) if each.finished]
    assert len(finished) >= 6
    assert [text for text in finished if not IN_HUNKS.fullmatch(text)] == []


def test_an_answer_that_ran_out_of_tokens_is_how_one_begins(model: LanguageModel) -> None:
    long = 'start: (" x" /[a-z]/ "\\n" | "-x\\n"){400}'
    cut = answered(model, long, range(4))
    assert {(each.num_tokens, each.finished) for each in cut} == {(150, False)}
    assert all(re.fullmatch(r"( x[a-z]\n|-x\n)+( |-| x[a-z]?|-x)?", each.text) for each in cut)


def test_a_space_at_the_beginning_stays(model: LanguageModel) -> None:
    (answer,) = answered(model, 'start: " x = " /[ab]/ "\\n"', [1])
    assert answer.text in (" x = a\n", " x = b\n")


def test_a_seed_gives_the_same_answer_alone_and_among_others(model: LanguageModel) -> None:
    together = answered(model, HUNKS, range(5))
    assert together == [answered(model, HUNKS, [seed])[0] for seed in range(5)]
    assert len({each.text for each in together}) == 5


def test_what_can_only_be_one_text_is_written_without_asking_the_model(
    model: LanguageModel,
) -> None:
    passes: list[int] = []
    model.model.register_forward_hook(lambda *_: passes.append(1))
    (answer,) = answered(model, 'start: "@@\\n x = conv(x)\\n+x\\n"', [1])
    assert (answer.text, answer.finished) == ("@@\n x = conv(x)\n+x\n", True)
    assert len(passes) == 1  # of the prompt


def test_stopping_works_on_forced_lines(model: LanguageModel) -> None:
    prompt = model.tokenizer.encode("x")
    (answer,) = model.generate(
        prompt,
        seeds=[1],
        sampling=HOT,
        grammar='start: "a\\nb\\nc\\n"',
        stop=lambda text: text.endswith("b\n"),
    )
    assert (answer.text, answer.finished) == ("a\nb\n", True)


def test_a_grammar_that_cannot_be_compiled_is_an_error() -> None:
    with pytest.raises(ProposerError, match=r"the grammar cannot be used: .*unknown name"):
        answered(small_model(), "start: nothing")


def test_the_end_of_the_text_is_not_counted() -> None:
    (answer,) = answered(small_model(), 'start: "ab" | "abab"', [1])
    assert answer.num_tokens == len(byte_tokenizer().encode(answer.text))


def test_an_answer_that_is_whole_with_its_last_token_is_finished() -> None:
    model = small_model()
    (answer,) = model.generate(
        [5], seeds=[1], sampling=Sampling(max_new_tokens=2), grammar='start: "x" /[yz]/'
    )
    assert (answer.num_tokens, answer.finished) == (2, True)


@pytest.fixture
def lost() -> Answer:
    """An answer whose parser has failed, as it does where a text has too many readings."""
    model = small_model()
    constraint = Grammars(model.model, model.tokenizer).compile('start: "d" /[bc]+/')
    wanted = Wanted(prompt=(5,), sampling=HOT, max_new_tokens=9, constraint=constraint, stop=None)
    detokenizer = Detokenizer(model.tokenizer)
    ends = end_tokens(model.model, model.tokenizer)
    answer = Answer(0, wanted, ends=ends, detokenizer=detokenizer, lookup=Lookup())
    answer.begin()
    assert answer.matcher is not None
    answer.matcher.consume_token(0)
    assert answer.matcher.is_error()
    return answer


def test_a_token_that_the_parser_cannot_follow_ends_the_answer_before_it(
    lost: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    assert lost.take(66) == []
    assert lost.is_over
    assert lost.result() == Generation(text="d", num_tokens=1, finished=False)
    assert "grammar was lost" in caplog.text


def test_an_end_that_only_a_failed_parser_lets_through_is_none(lost: Answer) -> None:
    (end,) = end_tokens(small_model().model, small_model().tokenizer)
    lost.take(end)
    assert lost.result() == Generation(text="d", num_tokens=1, finished=False)
