"""The proposer that asks a language model: brief in, text out, answer made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from deltanas_repo_store.records import Proposal
from deltanas_tools.brief import AnswerFormat, Brief, messages
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.language_models.records import Sampling
from deltanas_tools.propose_delta.language.answers import Answer, as_delta, completed, is_over
from deltanas_tools.propose_delta.language.writers import Writer, Written
from deltanas_tools.propose_delta.port import Request

MARGIN_TOKENS = 64
"""Of the context, left for what a chat template puts round the messages."""
_STEP = 0x9E3779B1  # odd, so that no two numbers below 2**32 give the same seed


@dataclass(frozen=True)
class LanguageProposer:
    """Asks a language model for answers in one format."""

    writer: Writer
    form: AnswerFormat = "delta"
    sampling: Sampling = field(default_factory=Sampling)
    context_lines: int = 1
    """Lines of the parent that a constrained delta shows round a change, at most."""
    batch: int = 8
    redraws: int = 0
    """How often a constrained delta is written anew that is not worth building."""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.writer.name

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        """Answer every request; those with the same brief share the reading of it.

        Raises:
            ProposerError: the model cannot be asked, or a brief is longer than its context.
        """
        answers: dict[int, Proposal] = {}
        groups: dict[str, list[int]] = {}
        for at, request in enumerate(requests):
            groups.setdefault(request.brief.model_dump_json(), []).append(at)
        for places in groups.values():
            seeds = [requests[at].seed for at in places]
            written = self._answers(requests[places[0]].brief, seeds)
            answers |= dict(zip(places, written, strict=True))
        return [answers[at] for at in range(len(requests))]

    def _answers(self, brief: Brief, seeds: Sequence[int]) -> list[Proposal]:
        grammar = self._grammar(brief) if self.form == "delta" else None
        room = max(self.writer.context - self.sampling.max_new_tokens - MARGIN_TOKENS, 0)
        chat = messages(brief, self.form, room=room, count=self.writer.count)

        def write(some: Sequence[int]) -> list[Written]:
            return self.writer.write(
                chat,
                seeds=some,
                sampling=self.sampling,
                grammar=grammar,
                stop=is_over if grammar is None else None,
            )

        drafts = [_Draft(seed, each) for seed, each in zip(seeds, write(seeds), strict=True)]
        for number in range(1, self.redraws + 1):
            unsound = [
                draft for draft in drafts if not self._answer(draft, brief, grammar).is_sound
            ]
            if not unsound:
                break
            again = write([redrawn(draft.seed, number) for draft in unsound])
            for draft, written in zip(unsound, again, strict=True):
                draft.take(written)
        return [self._proposal(draft, self._answer(draft, brief, grammar)) for draft in drafts]

    def _proposal(self, draft: "_Draft", answer: Answer) -> Proposal:
        return Proposal(
            answer=answer.text,
            proposer=self.name,
            seed=draft.seed,
            input_tokens=draft.input_tokens,
            output_tokens=draft.output_tokens,
            output_lines=draft.output_lines,
        )

    def _grammar(self, brief: Brief) -> DeltaGrammar:
        return _grammar_of(brief.parent.source, brief.frozen_parts, self.context_lines)

    def _answer(self, draft: "_Draft", brief: Brief, grammar: DeltaGrammar | None) -> Answer:
        if grammar is not None:
            return completed(draft.text, grammar, frozen_parts=brief.frozen_parts)
        if self.form in ("whole-file", "program"):
            return Answer(as_delta(draft.text, brief.parent.source), is_sound=True)
        return Answer(draft.text, is_sound=True)


class _Draft:
    """What was written for a seed, in the end, and what all of its drafts took."""

    def __init__(self, seed: int, written: Written) -> None:
        self.seed = seed
        self.input_tokens = self.output_tokens = self.output_lines = 0
        self.take(written)

    def take(self, written: Written) -> None:
        """Put another draft in the place of the one before."""
        self.text = written.text
        self.input_tokens += written.prompt_tokens
        self.output_tokens += written.num_tokens
        self.output_lines += len(written.text.splitlines())


def redrawn(seed: int, number: int) -> int:
    """Return the seed of a further draft; number 0 is the first, with the seed itself."""
    return (seed + number * _STEP) % 2**32


@lru_cache(maxsize=64)
def _grammar_of(source: str, frozen_parts: bool, context: int) -> DeltaGrammar:
    return DeltaGrammar.of(source, frozen_parts=frozen_parts, context=context)
