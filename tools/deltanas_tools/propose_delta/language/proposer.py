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

        def write(some: Sequence[int]) -> list[tuple[Written, Answer]]:
            written = self.writer.write(
                chat,
                seeds=some,
                sampling=self.sampling,
                grammar=grammar,
                stop=is_over if grammar is None else None,
            )
            return [(each, self._answer(each.text, brief, grammar)) for each in written]

        drafts = [[each] for each in write(seeds)]
        for number in range(1, self.redraws + 1):
            unsound = [at for at, (*_, (_, answer)) in enumerate(drafts) if not answer.is_sound]
            if not unsound:
                break
            again = write([redrawn(seeds[at], number) for at in unsound])
            for at, draft in zip(unsound, again, strict=True):
                drafts[at].append(draft)
        return [self._proposal(seed, each) for seed, each in zip(seeds, drafts, strict=True)]

    def _proposal(self, seed: int, drafts: Sequence[tuple[Written, Answer]]) -> Proposal:
        """Return the last draft, and what all of them took."""
        written = [each for each, _ in drafts]
        return Proposal(
            answer=drafts[-1][1].text,
            proposer=self.name,
            seed=seed,
            input_tokens=sum(each.prompt_tokens for each in written),
            output_tokens=sum(each.num_tokens for each in written),
            output_lines=sum(len(each.text.splitlines()) for each in written),
        )

    def _grammar(self, brief: Brief) -> DeltaGrammar:
        return _grammar_of(brief.parent.source, brief.frozen_parts, self.context_lines)

    def _answer(self, text: str, brief: Brief, grammar: DeltaGrammar | None) -> Answer:
        if grammar is not None:
            return completed(text, grammar, frozen_parts=brief.frozen_parts)
        if self.form in ("whole-file", "program"):
            return Answer(as_delta(text, brief.parent.source), is_sound=True)
        return Answer(text, is_sound=True)


def redrawn(seed: int, number: int) -> int:
    """Return the seed of a further draft; number 0 is the first, with the seed itself."""
    return (seed + number * _STEP) % 2**32


@lru_cache(maxsize=64)
def _grammar_of(source: str, frozen_parts: bool, context: int) -> DeltaGrammar:
    return DeltaGrammar.of(source, frozen_parts=frozen_parts, context=context)
