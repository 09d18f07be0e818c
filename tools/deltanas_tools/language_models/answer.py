"""One answer while it is written."""

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llguidance import LLMatcher

from deltanas_tools.language_models.grammars import Constraint
from deltanas_tools.language_models.lookup import Lookup
from deltanas_tools.language_models.records import Generation, Sampling

logger = logging.getLogger(__name__)

_MIN_DRAFT = 3
_FIRST_DRAFT = 4
_MAX_DRAFT = 32
"""Lengths of drafts, in tokens. A draft that was right doubles them, any other halves them: best
of the policies tried, for one answer and for eight, on CPUs with and without bfloat16."""


@dataclass(frozen=True)
class Wanted:
    """What answers are wanted, but for their seeds."""

    prompt: tuple[int, ...]
    sampling: Sampling
    max_new_tokens: int
    constraint: Constraint | None
    stop: Callable[[str], bool] | None


class Detokenizer:
    """Turns tokens into the text that they add to a text."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        # Some tokenizers drop the space at the beginning of a text, which a delta begins with.
        self._before = list(tokenizer.encode("a", add_special_tokens=False))
        self._skipped = len(self._decode(self._before))

    def text(self, tokens: Sequence[int]) -> str:
        """Return the text of the tokens, special ones left out."""
        return self._decode([*self._before, *tokens])[self._skipped :]

    def _decode(self, tokens: Sequence[int]) -> str:
        return str(
            self._tokenizer.decode(
                tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )
        )


class Answer:
    """The tokens of an answer, and what may come after them."""

    def __init__(
        self,
        seed: int,
        wanted: Wanted,
        *,
        ends: frozenset[int],
        detokenizer: Detokenizer,
        lookup: Lookup,
    ) -> None:
        self.is_over = False
        self.matcher: LLMatcher | None = (
            None if wanted.constraint is None else wanted.constraint.start.deep_copy()
        )
        self._random = random.Random(seed)
        self._wanted = wanted
        self._ends = ends
        self._detokenizer = detokenizer
        self._lookup = lookup.branch()
        self._tokens: list[int] = []
        self._is_finished = False
        self._draft: list[int] = []
        self._draft_length = _FIRST_DRAFT

    @property
    def text(self) -> str:
        """What was written so far."""
        return self._detokenizer.text(self._tokens)

    def result(self) -> Generation:
        """Return what was written."""
        return Generation(
            text=self.text,
            num_tokens=len(self._tokens),
            finished=self._is_finished,
        )

    def uniform(self) -> float:
        """Return the next number in [0, 1) of this answer."""
        return self._random.random()

    def draft(self, limit: int) -> list[int]:
        """Return at most ``limit`` tokens that may come next, each of them allowed."""
        room = self._wanted.max_new_tokens - len(self._tokens) - 1
        tokens = self._lookup.following(min(limit, room, self._draft_length))
        if self.matcher is not None and tokens:
            tokens = tokens[: self.matcher.validate_tokens(tokens)]
        self._draft = tokens
        return tokens

    def learn(self, num_wrong: int) -> None:
        """Fit the length of drafts to how much of the last one was wrong."""
        if num_wrong:
            self._draft_length = max(_MIN_DRAFT, self._draft_length // 2)
        elif self._draft:
            self._draft_length = min(_MAX_DRAFT, self._draft_length * 2)

    def begin(self) -> list[int]:
        """Append the tokens that the grammar begins with, and return them."""
        return self._append_forced()

    def take(self, token: int) -> list[int]:
        """Append a token and those that the grammar forces after it; return those appended."""
        if token in self._ends:
            # A parser that has failed lets nothing but the end through.
            self._end(finished=self.matcher is None or not self.matcher.is_error())
            return []
        return self._append([token]) + self._append_forced()

    def _append_forced(self) -> list[int]:
        if self.matcher is None or self.is_over:
            return []
        return self._append(self.matcher.compute_ff_tokens())

    def _append(self, tokens: Sequence[int]) -> list[int]:
        """Append tokens up to where the answer ends; return those appended."""
        appended = []
        for token in tokens:
            if self.matcher is not None and not self.matcher.consume_token(token):
                self._end(finished=False)
                break
            self._tokens.append(token)
            self._lookup.add(token)
            appended.append(token)
            if self._is_whole(token):
                self._end(finished=True)
            elif len(self._tokens) == self._wanted.max_new_tokens:
                self._end(finished=False)
            if self.is_over:
                break
        return appended

    def _is_whole(self, token: int) -> bool:
        """Tell whether nothing can follow, or nothing is wanted after the token's line."""
        if self.matcher is not None and self.matcher.is_stopped():
            return True
        stop = self._wanted.stop
        return stop is not None and "\n" in self._detokenizer.text([token]) and stop(self.text)

    def _end(self, *, finished: bool) -> None:
        if self.matcher is not None and self.matcher.is_error():
            # Such as for a text with more readings than llguidance is willing to keep.
            logger.warning("grammar was lost", extra={"reason": self.matcher.get_error()})
        self.is_over = True
        self._is_finished = finished
