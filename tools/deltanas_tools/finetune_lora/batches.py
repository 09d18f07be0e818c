"""Examples as tokens, their order, and what is computed at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.finetune_lora.example import Example
from deltanas_tools.language_models.model import LanguageModel


@dataclass(frozen=True)
class TokenSequence:
    """One example: prompt, completion and the end of the turn."""

    tokens: tuple[int, ...]
    num_prompt: int

    @property
    def num_targets(self) -> int:
        """Tokens that the loss is on: the completion and the end of the turn."""
        return len(self.tokens) - self.num_prompt


@dataclass(frozen=True)
class Encoded:
    """The examples that are short enough, and how many are not."""

    sequences: tuple[TokenSequence, ...]
    num_too_long: int


@dataclass(frozen=True)
class Batch:
    """Sequences side by side, padded at the end to the longest.

    ``tokens`` and ``attention`` have the shape ``(B, T)``. ``predicting`` has it too and is True
    where the next token is a target; ``targets`` are those tokens, row by row.
    """

    tokens: torch.Tensor
    attention: torch.Tensor
    predicting: torch.Tensor
    targets: torch.Tensor


def encode(model: LanguageModel, examples: Sequence[Example], *, max_tokens: int) -> Encoded:
    """Return the examples as tokens, in their order, without those that are too long.

    Prompt and completion are tokenised apart, as they are when the model answers.

    Raises:
        ConfigError: the tokenizer has no token for the end of a turn.
    """
    end = model.tokenizer.eos_token_id
    if end is None:
        raise ConfigError(
            f"{model.name} cannot be tuned: its tokenizer names no end-of-text token (eos_token), "
            "so an answer could not be taught to end"
        )
    sequences = []
    for example in examples:
        prompt = model.encode_chat(example.prompt)
        completion = model.encode(example.completion)
        sequence = TokenSequence(tokens=(*prompt, *completion, end), num_prompt=len(prompt))
        if len(sequence.tokens) <= max_tokens:
            sequences.append(sequence)
    return Encoded(sequences=tuple(sequences), num_too_long=len(examples) - len(sequences))


def order(num_examples: int, *, seed: int, epoch: int) -> list[int]:
    """Return a permutation that depends on nothing else, so that a resumed run has the same."""
    generator = torch.Generator().manual_seed((seed + epoch) % 2**63)
    return torch.randperm(num_examples, generator=generator).tolist()


def micro_batches(sequences: Sequence[TokenSequence], size: int) -> Iterator[Batch]:
    """Yield the sequences ``size`` at a time, the longest first.

    Neighbours are of like length, which spares padding; and where memory does not suffice, that
    shows at once.
    """
    ranked = sorted(sequences, key=lambda sequence: len(sequence.tokens), reverse=True)
    for start in range(0, len(ranked), size):
        yield _collate(ranked[start : start + size])


def _collate(sequences: Sequence[TokenSequence]) -> Batch:
    shape = len(sequences), max(len(sequence.tokens) for sequence in sequences)
    tokens = torch.zeros(shape, dtype=torch.long)
    attention = torch.zeros(shape, dtype=torch.long)
    predicting = torch.zeros(shape, dtype=torch.bool)
    targets: list[int] = []
    for row, sequence in enumerate(sequences):
        length = len(sequence.tokens)
        tokens[row, :length] = torch.tensor(sequence.tokens)
        attention[row, :length] = 1
        predicting[row, sequence.num_prompt - 1 : length - 1] = True
        targets += sequence.tokens[sequence.num_prompt :]
    return Batch(tokens, attention, predicting, torch.tensor(targets))
