"""Where a language model runs: in this process, or behind a server. One port for both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.language_models.records import Generation, Message, Sampling

if TYPE_CHECKING:
    from deltanas_tools.chat_servers.server import ChatServer
    from deltanas_tools.language_models import LanguageModel

CHARACTERS_PER_TOKEN = 3
"""Of code, where no tokenizer can be asked; cautious."""
UNKNOWN_CONTEXT = 8192
"""Tokens that a server's model is taken to look back on where nothing says; the paper's limit."""


@dataclass(frozen=True)
class Written:
    """What a model wrote once, and what it cost."""

    text: str
    """A last line that the model meant to end has its newline, which servers may strip."""
    prompt_tokens: int
    num_tokens: int


def _written(answer: Generation, prompt_tokens: int) -> Written:
    ending = "\n" if answer.finished and not answer.text.endswith("\n") else ""
    return Written(answer.text + ending, prompt_tokens, answer.num_tokens)


class Writer(Protocol):
    """A language model that can be asked."""

    @property
    def name(self) -> str:
        """What the store records as the proposer."""
        ...

    @property
    def context(self) -> int:
        """Tokens of prompt and answer together, at most."""
        ...

    def count(self, text: str) -> int:
        """Return how many tokens a text has, or about how many."""
        ...

    def write(
        self,
        chat: Sequence[Message],
        *,
        seeds: Sequence[int],
        sampling: Sampling,
        grammar: DeltaGrammar | None,
        stop: Callable[[str], bool] | None,
    ) -> list[Written]:
        """Answer a chat once for each seed.

        ``stop`` may be told an answer's text after each line; it is over where that says so.

        Raises:
            ProposerError: the model cannot be asked, or the chat is longer than its context.
        """
        ...


@dataclass(frozen=True)
class LocalWriter:
    """A language model in this process."""

    model: "LanguageModel"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def context(self) -> int:
        """Tokens that the model can look back on."""
        return self.model.context

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return self.model.count(text)

    def write(
        self,
        chat: Sequence[Message],
        *,
        seeds: Sequence[int],
        sampling: Sampling,
        grammar: DeltaGrammar | None,
        stop: Callable[[str], bool] | None,
    ) -> list[Written]:
        """Read the chat once, and answer it for all seeds together."""
        prompt = self.model.encode_chat(chat)
        lark = None if grammar is None else grammar.lark()
        written = self.model.generate(
            prompt, seeds=seeds, sampling=sampling, grammar=lark, stop=stop
        )
        return [_written(each, len(prompt)) for each in written]


@dataclass(frozen=True)
class ServerWriter:
    """A language model behind a server."""

    server: "ChatServer"

    @property
    def name(self) -> str:
        """The model's name."""
        return self.server.name

    @property
    def context(self) -> int:
        """What the configuration says."""
        return self.server.spec.context or UNKNOWN_CONTEXT

    def count(self, text: str) -> int:
        """Return about how many tokens a text has."""
        return -(-len(text) // CHARACTERS_PER_TOKEN)

    def write(
        self,
        chat: Sequence[Message],
        *,
        seeds: Sequence[int],
        sampling: Sampling,
        grammar: DeltaGrammar | None,
        stop: Callable[[str], bool] | None,  # no server can be told
    ) -> list[Written]:
        """Ask the server once for each seed; its cache has the chat after the first."""
        answers = self.server.complete(
            chat, seeds=seeds, sampling=sampling, grammar=self._notation(grammar)
        )
        return [_written(each, each.input_tokens) for each in answers]

    def _notation(self, grammar: DeltaGrammar | None) -> str | None:
        if grammar is None:
            return None
        match self.server.spec.grammar_form:
            case "ebnf":
                return grammar.ebnf()
            case "gbnf":
                return grammar.gbnf()
            case None:
                return None  # what it writes freely is read as far as the grammar goes
