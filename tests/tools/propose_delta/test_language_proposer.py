"""A language model as a proposer: whatever its weights, its answers apply under the grammar."""

from dataclasses import replace
from typing import cast

import pytest
import torch

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import ProposerError
from deltanas_tools.apply_patch import NO_GATES, Applied, Refused, apply
from deltanas_tools.brief import Brief
from deltanas_tools.language_models.model import LanguageModel
from deltanas_tools.language_models.records import Generation, Sampling
from deltanas_tools.propose_delta.language import LanguageProposer, LocalWriter
from deltanas_tools.propose_delta.port import Request
from tests.tools.finetune_lora.tiny_models import llama_config, tiny_model

BRIEF = Brief(
    parent=baselines()["plain-cnn"], dataset="digits", in_shape=(64, 1, 8, 8), num_classes=10
)
HOT = Sampling(temperature=1.5, top_k=0, top_p=1.0, max_new_tokens=160)


def model_of(context: int) -> LanguageModel:
    """A model with a token for each byte."""
    config = llama_config()
    config.max_position_embeddings = context
    made = tiny_model(config)
    return LanguageModel(name="tiny", context=context, tokenizer=made.tokenizer, model=made.model)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def proposer() -> LanguageProposer:
    return LanguageProposer(LocalWriter(model_of(4096)), sampling=HOT)


def test_an_answer_that_changes_something_applies_without_a_relaxation(
    proposer: LanguageProposer,
) -> None:
    proposals = proposer.propose([Request(brief=BRIEF, seed=seed) for seed in range(12)])
    results = [apply(BRIEF.parent.source, each.answer, gates=NO_GATES) for each in proposals]
    applied = [each for each in results if isinstance(each, Applied)]
    assert applied
    assert [each.relaxations for each in applied] == [()] * len(applied)


def test_the_same_brief_and_seed_give_the_same_answer(proposer: LanguageProposer) -> None:
    again = [proposer.propose([Request(brief=BRIEF, seed=3)])[0] for _ in range(2)]
    assert again[0] == again[1]


def test_answers_come_in_the_order_of_the_requests(proposer: LanguageProposer) -> None:
    other = BRIEF.model_copy(update={"dataset": "mnist"})
    requests = [Request(brief=each, seed=at) for at, each in enumerate((BRIEF, other, BRIEF))]
    assert [each.seed for each in proposer.propose(requests)] == [0, 1, 2]


def test_what_the_model_wrote_is_counted(proposer: LanguageProposer) -> None:
    [proposal] = proposer.propose([Request(brief=BRIEF, seed=0)])
    assert proposal.proposer == "tiny"
    assert proposal.input_tokens > len(BRIEF.parent.source) // 2
    assert 0 < proposal.output_tokens <= HOT.max_new_tokens
    assert proposal.output_lines > 0


def test_every_draft_of_an_answer_counts(proposer: LanguageProposer) -> None:
    requests = [Request(brief=BRIEF, seed=seed) for seed in range(4)]
    once = proposer.propose(requests)
    thrice = replace(proposer, redraws=2).propose(requests)
    assert sum(each.output_tokens for each in thrice) > sum(each.output_tokens for each in once)
    assert [each.seed for each in thrice] == [0, 1, 2, 3]


class Stripped:
    """A server's model: its last line lacks the newline, as servers strip answers."""

    name = "stripped"
    context = 8192

    def __init__(self, *, finished: bool) -> None:
        self._answer = Generation(
            text="@@\n-        kernel = 3\n+        kernel = 5", num_tokens=9, finished=finished
        )

    def count(self, text: str) -> int:
        return len(text)

    def encode_chat(self, chat: object) -> list[int]:
        return []

    def generate(self, prompt: object, **options: object) -> list[Generation]:
        return [self._answer]


@pytest.mark.parametrize("finished", [True, False])
def test_the_last_line_counts_where_the_model_meant_to_end_it(finished: bool) -> None:
    writer = LocalWriter(cast("LanguageModel", Stripped(finished=finished)))
    [proposal] = LanguageProposer(writer).propose([Request(brief=BRIEF, seed=0)])
    assert "-        kernel = 3" in proposal.answer
    assert ("+        kernel = 5" in proposal.answer) == finished


def test_without_a_grammar_the_words_are_the_answer() -> None:
    free = LanguageProposer(LocalWriter(model_of(4096)), form="free-delta", sampling=HOT)
    [proposal] = free.propose([Request(brief=BRIEF, seed=0)])
    assert isinstance(apply(BRIEF.parent.source, proposal.answer), Refused)


def test_a_brief_longer_than_the_context_says_both_lengths() -> None:
    short = LanguageProposer(LocalWriter(model_of(512)), sampling=HOT)
    with pytest.raises(ProposerError, match=r"the prompt has \d+ tokens.*511 of its 512"):
        short.propose([Request(brief=BRIEF, seed=0)])
