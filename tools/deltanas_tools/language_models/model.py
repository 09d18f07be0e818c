"""A loaded language model: chats in, answers out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.language_models.records import Generation, Message, Sampling

if TYPE_CHECKING:
    from deltanas_tools.language_models.grammars import Grammars


@dataclass(frozen=True, eq=False)
class LanguageModel:
    """A causal language model with its tokenizer and chat template."""

    name: str
    """What records call it, see `deltanas_repo_store.records.Name`."""
    context: int
    """Tokens that prompt and answer may have together."""
    tokenizer: Any = field(repr=False)
    """Of transformers; a fast one, with a chat template."""
    model: Any = field(repr=False)
    """Of transformers, or of PEFT where there is an adapter."""

    def encode_chat(self, messages: Sequence[Message], *, prefix: str = "") -> list[int]:
        """Return the tokens of a chat, up to where the assistant's answer begins.

        The chat is written by the model's own template. Where that has no system role, the
        system's text opens the first user's.

        Args:
            messages: The turns.
            prefix: How the answer begins; its tokens are those that it has on its own.

        Raises:
            ProposerError: the template refuses the turns, such as two of one role in a row.
        """
        chat = [{"role": message.role, "content": message.text} for message in messages]
        if not self._has_system_role:
            chat = _without_system(chat)
        try:
            text = self._write_chat(chat, add_generation_prompt=True)
        except TemplateError as error:
            raise ProposerError(
                f"the chat template of {self.name} refuses a chat of "
                f"{', '.join(each['role'] for each in chat) or 'nothing'}: {error}"
            ) from error
        return self.encode(text) + self.encode(prefix)

    def encode(self, text: str) -> list[int]:
        """Return the tokens of a text in the middle of another, such as an answer in a chat."""
        # Behind a special token, since some tokenizers put a space before a text.
        before = self.tokenizer.eos_token or ""
        num_before = 1 if before else 0
        return list(self.tokenizer.encode(before + text, add_special_tokens=False))[num_before:]

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return len(self.encode(text))

    def generate(
        self,
        prompt: Sequence[int],
        *,
        seeds: Sequence[int],
        sampling: Sampling,
        grammar: str | None = None,
        stop: Callable[[str], bool] | None = None,
    ) -> list[Generation]:
        """Answer a prompt once for each seed; the prompt is read once for all of them.

        A seed gives the same answer in every batch, up to rounding in the model.

        Args:
            prompt: Tokens, as `encode_chat` makes them.
            seeds: One for each answer that is wanted.
            sampling: How tokens are drawn.
            grammar: A Lark grammar in llguidance's dialect that every answer is held to.
            stop: Told an answer's text whenever a line of it is complete; True ends the answer.

        Raises:
            ProposerError: the prompt fills the context or the memory, the grammar cannot be used,
                or the model computes no numbers.
        """
        from deltanas_tools.language_models.answer import Wanted  # loads torch, as does the next
        from deltanas_tools.language_models.decoding import decode

        room = self.context - len(prompt)
        if room < 1 or not prompt:
            raise ProposerError(
                f"the prompt has {len(prompt)} tokens, and {self.name} can take 1 to "
                f"{self.context - 1} of its {self.context} tokens of context; shorten the source "
                "or choose a model with a longer context"
            )
        wanted = Wanted(
            prompt=tuple(prompt),
            sampling=sampling,
            max_new_tokens=min(sampling.max_new_tokens, room),
            constraint=None if grammar is None else self._grammars.compile(grammar),
            stop=stop,
        )
        return decode(self.model, self.tokenizer, wanted, seeds)

    @cached_property
    def _grammars(self) -> "Grammars":
        from deltanas_tools.language_models.grammars import Grammars  # loads torch

        return Grammars(self.model, self.tokenizer)

    @cached_property
    def _has_system_role(self) -> bool:
        """Whether the template shows what the system says; some refuse it or leave it out."""
        probe = "what the system says"
        chat = [{"role": "system", "content": probe}, {"role": "user", "content": ""}]
        try:
            return probe in self._write_chat(chat)
        except TemplateError:
            return False

    def _write_chat(self, chat: Sequence[dict[str, str]], **options: bool) -> str:
        return str(self.tokenizer.apply_chat_template(chat, tokenize=False, **options))


def _without_system(chat: list[dict[str, str]]) -> list[dict[str, str]]:
    match chat:
        case [{"role": "system", "content": system}, {"role": "user", "content": user}, *rest]:
            return [{"role": "user", "content": f"{system}\n\n{user}"}, *rest]
    return chat
