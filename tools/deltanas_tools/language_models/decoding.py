"""Writes several answers to one prompt together: it is read once, and a step advances all.

A step reads what each answer has not read yet, and with it a draft: tokens that stood after the
latest ones before. Where the model then draws the drafted tokens they are read already, so that one
step writes several; where it does not, they are forgotten. What the grammar forces is not drawn at
all. Neither changes an answer.
"""

import logging
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.language_models.answer import Answer, Detokenizer, Wanted
from deltanas_tools.language_models.grammars import end_tokens
from deltanas_tools.language_models.lookup import Lookup
from deltanas_tools.language_models.records import Generation
from deltanas_tools.language_models.sampler import draw
from deltanas_tools.language_models.shared_prompt import (
    Continuations,
    Prompt,
    read_prompt,
    shared_prompt_attention,
)

logger = logging.getLogger(__name__)

_DRAFTED_TOKENS = 512
"""Of all answers in one step, at most: more would take a GPU longer, and their logits memory."""


@torch.no_grad()
def decode(model: Any, tokenizer: Any, wanted: Wanted, seeds: Sequence[int]) -> list[Generation]:
    """Write an answer for each seed, in fewer than asked at once where memory does not suffice.

    Raises:
        ProposerError: not even one answer fits in the memory, or the model computes no numbers.
    """
    ends, detokenizer = end_tokens(model, tokenizer), Detokenizer(tokenizer)
    lookup = Lookup.of(wanted.prompt)
    try:
        prompt = read_prompt(model, wanted.prompt)
    except torch.OutOfMemoryError as error:
        raise _too_long(wanted) from error
    done: list[Generation] = []
    at_once = len(seeds)
    while len(done) < len(seeds):
        answers = [
            Answer(seed, wanted, ends=ends, detokenizer=detokenizer, lookup=lookup)
            for seed in seeds[len(done) : len(done) + at_once]
        ]
        if _fits(model, prompt, answers, wanted):
            done += [answer.result() for answer in answers]
            continue
        if len(answers) == 1:
            raise _too_long(wanted)
        # Begun anew, with the same seeds and so the same answers.
        at_once = (len(answers) + 1) // 2
        torch.cuda.empty_cache()
        logger.warning("memory did not suffice", extra={"answers_at_once": at_once})
    return done


def _too_long(wanted: Wanted) -> ProposerError:
    return ProposerError(
        f"the memory of the device does not suffice for one answer of {wanted.max_new_tokens} "
        f"tokens to a prompt of {len(wanted.prompt)}; shorten them, load the model in 4 bits or "
        "choose a smaller one"
    )


def _fits(model: Any, prompt: Prompt, answers: Sequence[Answer], wanted: Wanted) -> bool:
    try:
        with shared_prompt_attention(model):
            _write(Continuations(model, prompt, len(answers)), prompt, answers, wanted)
    except torch.OutOfMemoryError:
        return False
    return True


def _write(
    continuations: Continuations, prompt: Prompt, answers: Sequence[Answer], wanted: Wanted
) -> None:
    """Write the answers to their ends."""
    unread = [answer.begin() for answer in answers]
    if not any(unread):
        # Nothing is forced, so that the first token is drawn.
        logits = prompt.logits.expand(len(answers), -1)
        unread, _ = _draw(logits, answers, [[]] * len(answers), wanted)
    while True:
        going = [row for row, answer in enumerate(answers) if not answer.is_over]
        if not going:
            return
        if len(going) < len(answers):
            continuations.keep(going)
            answers = [answers[row] for row in going]
            unread = [unread[row] for row in going]
        drafts = [answer.draft(_DRAFTED_TOKENS // len(answers)) for answer in answers]
        logits = continuations.read(
            [new + draft for new, draft in zip(unread, drafts, strict=True)],
            [1 + len(draft) for draft in drafts],
        )
        unread, num_wrong = _draw(logits, answers, drafts, wanted)
        continuations.forget(num_wrong)
        for answer, num in zip(answers, num_wrong, strict=True):
            answer.learn(num)


def _draw(
    logits: torch.Tensor, answers: Sequence[Answer], drafts: Sequence[list[int]], wanted: Wanted
) -> tuple[list[list[int]], list[int]]:
    """Draw the next tokens of every answer, for as long as they are those of its draft.

    Args:
        logits: Shape ``(number of answers and of drafted tokens, vocabulary)``: for each answer,
            those after what it had, then those after each token of its draft.
        answers: To which the tokens are appended.
        drafts: What was read with them.
        wanted: How to draw.

    Returns:
        For each answer the tokens that it has got and the model has not read, and how many of its
        draft were wrong.
    """
    rows = list(accumulate((1 + len(draft) for draft in drafts[:-1]), initial=0))
    left, unread = list(drafts), [list[int]() for _ in answers]
    drawing = list(range(len(answers)))
    while drawing:
        chosen = [answers[each] for each in drawing]
        tokens = _next_tokens(logits[[rows[each] for each in drawing]], chosen, wanted)
        for each, token in zip(drawing, tokens, strict=True):
            got = answers[each].take(token)
            num_right = _common(got, left[each])
            rows[each] += num_right
            left[each] = left[each][num_right:]
            unread[each] = got[num_right:]
        drawing = [each for each in drawing if not unread[each] and not answers[each].is_over]
    return unread, [len(each) for each in left]


def _next_tokens(logits: torch.Tensor, answers: Sequence[Answer], wanted: Wanted) -> list[int]:
    if wanted.constraint is not None:
        matchers = [answer.matcher for answer in answers if answer.matcher is not None]
        logits = wanted.constraint.forbid(logits, matchers)
    return draw(logits, wanted.sampling, [answer.uniform() for answer in answers])


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with together."""
    num = 0
    while num < min(len(a), len(b)) and a[num] == b[num]:
        num += 1
    return num
