"""Attention of many continuations to one prompt, whose keys and values are there once.

transformers repeats a prompt's cache for every continuation. For 50 answers of 500 tokens to one of
2,500, and a 7B model with as many key heads as heads (0.49 MB a token), that is 74 GB, and as here
13.5 GB. Each continuation reads as many new tokens at a time as it has: they are packed into one
row, so that nothing is padded but the attention itself. A token is read by writing its key and
value into its continuation's next slot; to forget the last tokens is to count them as not read.
"""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface, DynamicCache

from deltanas_repo_store.errors import ConfigError

_NAME = "deltanas_shared_prompt"
_GROWTH = 128
"""Slots by which the room for keys and values grows."""

_LAYER_TYPES = {"full_attention", "sliding_attention"}
_TOLERANCES = {torch.float64: 1e-3, torch.float32: 1e-2, torch.bfloat16: 0.3, torch.float16: 0.3}
"""How far logits may be apart that should be the same, in units of their standard deviation;
SmolLM2 has 0.00001 in float32 and 0.06 in bfloat16, and 2 between unrelated texts."""

KeysAndValues = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Prompt:
    """A prompt that a model has read."""

    num_tokens: int
    layers: tuple[KeysAndValues, ...]
    """Of each layer, shape ``(key heads, tokens, head size)``."""
    logits: torch.Tensor
    """Of the token after it, shape ``(1, vocabulary)``."""


def read_prompt(model: Any, tokens: Sequence[int]) -> Prompt:
    """Read a prompt with the model's own attention."""
    # Without the model's configuration, so that layers with a window keep all of the prompt.
    cache = DynamicCache()
    ids = torch.tensor([tokens], device=model.device)
    output = model(input_ids=ids, cache=cache, use_cache=True, logits_to_keep=1)
    layers = tuple((layer.keys[0], layer.values[0]) for layer in cache.layers)
    return Prompt(num_tokens=len(tokens), layers=layers, logits=output.logits[:, -1])


class Continuations:
    """What a model has read after a prompt, for a number of continuations at a time."""

    def __init__(self, model: Any, prompt: Prompt, num: int) -> None:
        self._model = model
        self._prompt = prompt
        self._lengths = [0] * num
        self._layers = [(_empty(keys, num), _empty(values, num)) for keys, values in prompt.layers]

    def read(self, tokens: Sequence[Sequence[int]], num_logits: Sequence[int]) -> torch.Tensor:
        """Read the next tokens of every continuation, in one pass of the model.

        Args:
            tokens: Of each continuation; they may differ in number.
            num_logits: After how many of them, from the last, logits are wanted, at least 1.

        Returns:
            Logits of shape ``(sum of num_logits, vocabulary)``.

        Raises:
            ConfigError: the model does not let others compute its attention.
        """
        lengths = [len(each) for each in tokens]
        self._make_room(max(map(sum, zip(self._lengths, lengths, strict=True))))
        step = _Step.of(self._lengths, lengths, self._prompt, self._layers)
        ends = torch.tensor(lengths).cumsum(0).tolist()
        kept = [
            at for end, num in zip(ends, num_logits, strict=True) for at in range(end - num, end)
        ]
        device = self._model.device
        output = self._model(
            input_ids=torch.tensor([[token for each in tokens for token in each]], device=device),
            position_ids=step.positions[None],
            use_cache=False,
            logits_to_keep=torch.tensor(kept, device=device),
            step=step,
        )
        if len(step.attended) < len(self._layers):
            raise _unsuitable(self._model)
        self._lengths = [old + new for old, new in zip(self._lengths, lengths, strict=True)]
        logits: torch.Tensor = output.logits[0]
        return logits

    def forget(self, nums: Sequence[int]) -> None:
        """Forget the last tokens of every continuation."""
        self._lengths = [length - num for length, num in zip(self._lengths, nums, strict=True)]

    def keep(self, rows: Sequence[int]) -> None:
        """Drop all continuations but these."""
        self._lengths = [self._lengths[row] for row in rows]
        chosen = torch.tensor(rows, device=self._model.device)
        self._layers = [(keys[:, chosen], values[:, chosen]) for keys, values in self._layers]

    def _make_room(self, num_slots: int) -> None:
        missing = num_slots - self._layers[0][0].shape[2]
        if missing > 0:
            more = -(-missing // _GROWTH) * _GROWTH
            pad = (0, 0, 0, more)
            for at, (keys, values) in enumerate(self._layers):
                # One layer at a time: a second copy of all of them may not fit.
                self._layers[at] = (
                    torch.nn.functional.pad(keys, pad),
                    torch.nn.functional.pad(values, pad),
                )


def _empty(like: torch.Tensor, num: int) -> torch.Tensor:
    heads, _, size = like.shape
    return like.new_zeros(heads, num, _GROWTH, size)


@dataclass(frozen=True)
class _Step:
    """One pass: which packed token belongs where. B continuations, C new tokens at most, N packed.

    T slots are in use, P tokens are in the prompt.
    """

    prompt: Prompt
    layers: Sequence[KeysAndValues]
    rows: torch.Tensor
    """Continuation of each packed token, shape ``(N,)``."""
    columns: torch.Tensor
    """Its place among the new ones, shape ``(N,)``."""
    slots: torch.Tensor
    """Its place in the continuation, shape ``(N,)``."""
    shape: tuple[int, int]
    """B and C."""
    num_slots: int
    """T."""
    attended: set[int] = field(default_factory=set)
    """The layers that have attended."""
    _hidden: dict[int | None, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        before: Sequence[int],
        new: Sequence[int],
        prompt: Prompt,
        layers: Sequence[KeysAndValues],
    ) -> "_Step":
        places = [
            (row, column, before[row] + column)
            for row, num in enumerate(new)
            for column in range(num)
        ]
        rows, columns, slots = torch.tensor(places, device=prompt.logits.device).unbind(1)
        return cls(
            prompt=prompt,
            layers=layers,
            rows=rows,
            columns=columns,
            slots=slots,
            shape=(len(new), max(new)),
            num_slots=max(slot for *_, slot in places) + 1,
        )

    @property
    def positions(self) -> torch.Tensor:
        """Positions of the packed tokens in their texts, shape ``(N,)``."""
        return self.slots + self.prompt.num_tokens

    def hidden(self, window: int | None) -> torch.Tensor:
        """Which tokens a new one does not look back on, shape ``(B, 1, C, P + T)``.

        Those after it, those beyond the window of its layer, and for places in the padding,
        whose results nobody reads, all but the first.
        """
        if window not in self._hidden:
            queries = self.positions.new_zeros(self.shape)
            queries[self.rows, self.columns] = self.positions
            keys = torch.arange(self.prompt.num_tokens + self.num_slots, device=queries.device)
            hidden = keys > queries[:, :, None]
            if window is not None:
                hidden |= keys <= queries[:, :, None] - window
            self._hidden[window] = hidden[:, None]
        return self._hidden[window]


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    scaling: float,
    step: _Step,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Attend to the prompt and to what a continuation has read, as transformers calls it.

    Args:
        module: The layer's attention.
        query: Shape ``(1, heads, N, head size)``.
        key: Shape ``(1, key heads, N, head size)``.
        value: As ``key``.
        attention_mask: None: transformers makes none for attention that it does not know.
        scaling: Factor of the scores.
        step: What is read.
        sliding_window: How many tokens the layer looks back on, itself included.
        softcap: Bound of the scores.
        s_aux: Scores of no token at all, as GPT-OSS has them.

    Returns:
        Shape ``(1, N, heads, head size)``.
    """
    if s_aux is not None:
        raise ValueError("scores of no token are not computed here")
    step.attended.add(module.layer_idx)
    past_keys, past_values = step.prompt.layers[module.layer_idx]
    own_keys, own_values = (each[:, :, : step.num_slots] for each in step.layers[module.layer_idx])
    own_keys[:, step.rows, step.slots] = key[0]
    own_values[:, step.rows, step.slots] = value[0]

    (batch, num_new), heads, size = step.shape, query.shape[1], query.shape[3]
    key_heads = past_keys.shape[0]
    groups = heads // key_heads
    padded = query.new_zeros(batch, num_new, heads, size)
    padded[step.rows, step.columns] = query[0].transpose(0, 1)
    # Heads that share keys become rows of one product: (key heads, B, groups * C, head size).
    queries = padded.view(batch, num_new, key_heads, groups, size).permute(2, 0, 3, 1, 4)
    queries = queries.reshape(key_heads, batch, groups * num_new, size)

    past = queries.flatten(1, 2) @ past_keys.transpose(1, 2)
    own = queries @ own_keys.transpose(2, 3)
    scores = torch.cat([past.view(*own.shape[:3], -1), own], dim=-1).float() * scaling
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    scores.view(key_heads, batch, groups, num_new, -1).masked_fill_(
        step.hidden(sliding_window), -torch.inf
    )
    weights = scores.softmax(dim=-1).to(query.dtype)
    to_past, to_own = torch.split(weights, [past_keys.shape[1], step.num_slots], dim=-1)
    result = to_own @ own_values
    result += (to_past.flatten(1, 2) @ past_values).view_as(result)
    result = result.view(key_heads, batch, groups, num_new, -1).permute(1, 3, 0, 2, 4).flatten(2, 3)
    return result[step.rows, step.columns][None], None


AttentionInterface.register(_NAME, _attend)


@contextmanager
def shared_prompt_attention(model: Any) -> Generator[None]:
    """Let the model attend as `Continuations` needs it, while the block runs."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    before = base.config._attn_implementation
    base.set_attn_implementation(_NAME)
    try:
        yield
    finally:
        base.set_attn_implementation(before)


@torch.no_grad()
def check_attention(model: Any) -> None:
    """Check, on a few tokens, that a model computes the same here as by itself.

    Raises:
        ConfigError: it does not: it does not let others compute its attention, or remembers more
            than keys and values.
    """
    kinds = set(getattr(model.config.get_text_config(), "layer_types", None) or ())
    try:
        differs = bool(kinds - _LAYER_TYPES) or _difference(model) > _TOLERANCES[model.dtype]
    except (TypeError, ValueError, LookupError, AttributeError, RuntimeError) as error:
        raise _unsuitable(model) from error
    if differs:
        raise _unsuitable(model)


def _unsuitable(model: Any) -> ConfigError:
    return ConfigError(
        f"models of the class {type(model).__name__} have attention that cannot be computed here; "
        'a server can run them, with proposer = "openai"'
    )


def _difference(model: Any) -> float:
    """Return how far logits are from the model's own, in units of their standard deviation."""
    num_tokens = model.config.get_text_config().vocab_size
    tokens = [num_tokens * each // 11 for each in range(1, 9)]
    start, texts = tokens[:4], (tokens[4:7], tokens[7:])
    prompt = read_prompt(model, start)
    with shared_prompt_attention(model):
        logits = Continuations(model, prompt, 2).read(texts, [1, 1]).float()
    own = torch.cat([read_prompt(model, start + text).logits for text in texts]).float()
    return float((logits - own).square().mean().sqrt() / own.std())
