"""The proposer that asks a language model: brief in, text out, answer made of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from deltanas_repo_store.records import Proposal
from deltanas_tools.brief import AnswerFormat, Brief, messages
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.language_models.records import Sampling
from deltanas_tools.propose_delta.language.answers import as_delta, completed
from deltanas_tools.propose_delta.language.writers import Writer
from deltanas_tools.propose_delta.port import Request

MARGIN_TOKENS = 64
"""Of the context, left for what a chat template puts round the messages."""


@dataclass(frozen=True)
class LanguageProposer:
    """Asks a language model for answers in one format."""

    writer: Writer
    form: AnswerFormat = "delta"
    sampling: Sampling = field(default_factory=Sampling)
    context_lines: int = 1
    """Lines of the parent that a constrained delta shows round a change, at most."""
    batch: int = 8

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
        written = self.writer.write(chat, seeds=seeds, sampling=self.sampling, grammar=grammar)
        return [
            Proposal(
                answer=self._answer(each.text, brief, grammar),
                proposer=self.name,
                seed=seed,
                input_tokens=each.prompt_tokens,
                output_tokens=each.num_tokens,
                output_lines=len(each.text.splitlines()),
            )
            for each, seed in zip(written, seeds, strict=True)
        ]

    def _grammar(self, brief: Brief) -> DeltaGrammar:
        return _grammar_of(brief.parent.source, brief.frozen_parts, self.context_lines)

    def _answer(self, text: str, brief: Brief, grammar: DeltaGrammar | None) -> str:
        if grammar is not None:
            return completed(text, grammar, frozen_parts=brief.frozen_parts)
        if self.form in ("whole-file", "program"):
            return as_delta(text, brief.parent.source)
        return text


@lru_cache(maxsize=64)
def _grammar_of(source: str, frozen_parts: bool, context: int) -> DeltaGrammar:
    return DeltaGrammar.of(source, frozen_parts=frozen_parts, context=context)
