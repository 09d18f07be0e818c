"""The grammars for decoders against the automaton, with tokens that reach across lines."""

import random
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from deltanas_repo_store.errors import PatchError
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.delta_grammar.reading import Reading
from tests.tools.delta_grammar.walks import BASELINES, hurt, small_parent, walk

PROPERTY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
seeds = st.integers(0, 2**32)

LONG_TOKENS = [
    *("\n        ", ")\n+", "@@\n", "\n@@\n ", "\n-", "a\n", "\n\n", "+a\nb", "    ", "-a\n+"),
    *("x = 1\n+    ", " é", "\r\n", "\r\n+", "pass\n\n"),
]
VOCABULARY = [b"<eos>", *(bytes([each]) for each in range(256)), *map(str.encode, LONG_TOKENS)]


class ByteTokenizer:
    """What llguidance asks of a tokenizer: a token for each byte, and some long ones."""

    eos_token_id = 0
    bos_token_id = None
    special_token_ids = (0,)
    tokens = VOCABULARY

    def __call__(self, text: str | bytes) -> list[int]:
        return [each + 1 for each in (text.encode() if isinstance(text, str) else text)]


TOKENIZER = LLTokenizer(TokenizerWrapper(ByteTokenizer()))


def tokens_of(text: str, rng: random.Random) -> list[int]:
    """One of the many ways to write a text in tokens."""
    data, tokens, at = text.encode(), [], 0
    while at < len(data):
        fitting = [n for n, each in enumerate(VOCABULARY) if n and data.startswith(each, at)]
        tokens.append(rng.choice(fitting))
        at += len(VOCABULARY[tokens[-1]])
    return tokens


def is_read(grammar: DeltaGrammar, text: str) -> bool:
    """Whether the automaton takes a text, whatever it does."""
    reading = Reading(grammar._automaton)
    try:
        for line in text.split("\n")[:-1]:
            reading.read(line)
    except PatchError:
        return False
    return text.endswith("\n") and reading.edit() is not None


def matcher_of(grammar: DeltaGrammar) -> LLMatcher:
    matcher = LLMatcher(TOKENIZER, grammar.lark(), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return matcher


def is_taken(matcher: LLMatcher, tokens: list[int]) -> bool:
    """Whether llguidance takes the tokens, and then the end."""
    run = matcher.deep_copy()
    taken = run.try_consume_tokens(tokens) == len(tokens) and run.is_accepting()
    assert not run.is_error(), run.get_error()
    return bool(taken)


@given(seed=seeds, context=st.integers(1, 2))
@PROPERTY
def test_llguidance_takes_what_the_automaton_takes(seed: int, context: int) -> None:
    rng = random.Random(seed)
    grammar = DeltaGrammar.of(small_parent(rng), context=context)
    matcher = matcher_of(grammar)

    for _ in range(4):
        text = walk(grammar, rng)
        for each in (text, hurt(text, rng)):
            assert is_taken(matcher, tokens_of(each, rng)) == is_read(grammar, each)


@given(seed=seeds)
@settings(PROPERTY, max_examples=10)
def test_xgrammar_takes_what_the_automaton_takes(seed: int) -> None:
    # GBNF is what xgrammar's own syntax comes from. Its compiler makes a mask for each state.
    xgrammar = pytest.importorskip("xgrammar")
    info = xgrammar.TokenizerInfo(VOCABULARY, vocab_type=xgrammar.VocabType.RAW, stop_token_ids=[0])
    compiler = xgrammar.GrammarCompiler(info, max_threads=1)
    rng = random.Random(seed)
    grammar = DeltaGrammar.of(small_parent(rng))
    exact, loose = map(compiler.compile_grammar, (grammar.gbnf(), grammar.ebnf()))

    for _ in range(4):
        text = walk(grammar, rng)
        for each in (text, hurt(text, rng)):
            tokens = [*tokens_of(each, rng), 0]
            runs = [xgrammar.GrammarMatcher(compiled) for compiled in (exact, loose)]
            by_exact, by_loose = (all(map(run.accept_token, tokens)) for run in runs)
            assert by_exact == is_read(grammar, each)
            assert by_loose or not by_exact


def test_the_end_comes_only_after_a_whole_line() -> None:
    matcher = matcher_of(DeltaGrammar.of("a\nb\nc\n"))

    assert is_taken(matcher, tokens_of("@@\n-a\n", random.Random(0)))
    assert not is_taken(matcher, tokens_of("@@\n-a\n+x", random.Random(0)))
    assert not is_taken(matcher, tokens_of("@@\n a\n b\n", random.Random(0)))


def test_a_decoder_is_never_lost() -> None:
    rng = random.Random(5)
    grammar = DeltaGrammar.of(BASELINES[0])
    matcher = matcher_of(grammar)
    for _ in range(20):
        run = matcher.deep_copy()
        for token in tokens_of(walk(grammar, rng), rng):
            assert run.consume_token(token)
            assert run.is_accepting() or any(run.compute_bitmask())


def test_long_files_do_not_overflow_the_stack_of_the_compiler() -> None:
    source = "".join(f"line_{number} = {number}\n" for number in range(500))
    errors: list[str] = []

    def compile_it() -> None:
        errors.append(LLMatcher(TOKENIZER, DeltaGrammar.of(source).lark()).get_error())

    usual = threading.stack_size(1 << 20)
    try:
        # As threads have elsewhere. From the first rule down, this would end the process.
        thread = threading.Thread(target=compile_it)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(usual)

    assert errors == [""]


def test_a_file_of_a_thousand_lines_is_within_limits_that_can_be_set() -> None:
    source = "".join(f"line_{number} = {number}\n" for number in range(1000))
    limits = LLParserLimits(max_items_in_row=4000)

    matcher = LLMatcher(TOKENIZER, DeltaGrammar.of(source).lark(), log_level=0, limits=limits)

    assert is_taken(matcher, tokens_of("@@\n line_998 = 998\n+x\n", random.Random(0)))
