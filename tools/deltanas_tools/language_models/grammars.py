"""Holds answers to a grammar: llguidance says which tokens may come next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from llguidance import LLExecutor, LLMatcher, LLParserLimits
from llguidance.hf import from_tokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par

from deltanas_repo_store.errors import ProposerError

MAX_ITEMS = 16_000
"""Of the parser at one place. A delta may begin at any line of its parent, which takes three items
a line: llguidance's own 2,000 end at 650 lines."""


@dataclass(frozen=True)
class Constraint:
    """A compiled grammar."""

    start: LLMatcher
    """At the beginning of an answer; each answer has a copy."""
    num_tokens: int
    """That a mask has."""
    executor: LLExecutor

    def forbid(self, logits: torch.Tensor, matchers: Sequence[LLMatcher]) -> torch.Tensor:
        """Return the logits with -inf for every token that may not come next.

        Args:
            logits: Shape ``(batch, vocabulary)``.
            matchers: One for each row.
        """
        masks = allocate_token_bitmask(len(matchers), self.num_tokens)
        numbered = [(matcher, row) for row, matcher in enumerate(matchers)]
        fill_next_token_bitmask_par(self.executor, numbered, masks)
        allowed = np.unpackbits(
            masks.view(np.uint8), axis=1, count=logits.shape[1], bitorder="little"
        )
        forbidden = torch.from_numpy(allowed).to(logits.device) == 0
        return logits.masked_fill(forbidden, -torch.inf)


class Grammars:
    """Compiles grammars for one model and tokenizer. To make one takes a second."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        # A model can have logits for more tokens than its tokenizer knows.
        self._num_tokens = max(model.config.get_text_config().vocab_size, len(tokenizer))
        self._tokenizer = from_tokenizer(
            tokenizer, n_vocab=self._num_tokens, eos_token=sorted(end_tokens(model, tokenizer))
        )
        self._executor = LLExecutor()

    def compile(self, lark: str) -> Constraint:
        """Compile a grammar in llguidance's dialect of Lark.

        Raises:
            ProposerError: llguidance does not take it.
        """
        limits = LLParserLimits(max_items_in_row=MAX_ITEMS)
        matcher = LLMatcher(self._tokenizer, lark, log_level=0, limits=limits)
        if matcher.is_error():
            raise ProposerError(f"the grammar cannot be used: {matcher.get_error()}")
        return Constraint(matcher, self._num_tokens, self._executor)


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return the tokens that end an answer: the model's and the tokenizer's."""
    named = model.generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return frozenset(each for each in (*listed, tokenizer.eos_token_id) if each is not None)
