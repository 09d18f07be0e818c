"""How an adapter is trained."""

from typing import Annotated

from pydantic import Field

from deltanas_repo_store.records import Fraction, Record

Positive = Annotated[int, Field(ge=1)]


class LoraSettings(Record):
    """Settings of one training. The defaults are the paper's.

    Source: "Delta-Based Neural Architecture Search" (2605.04903) and its published code, nn-gpt
    1.0.6. Two things of that code are not followed: its loss is on the prompt too, and its 8-bit
    paged optimiser, which spares nothing where only an adapter is trained.
    """

    rank: Positive = 32
    alpha: Positive = 32
    """The adapter's output is scaled by ``alpha / rank``."""
    dropout: Annotated[Fraction, Field(lt=1)] = 0.05
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = (
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "up_proj",
        "down_proj",
        "gate_proj",
        "lm_head",
    )
    """Last names of the linear layers that are adapted."""
    layers: Positive | None = 24
    """Adapts this many transformer layers from the first, and the head, which is in none;
    None is all. The paper's models have 28 to 32."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-5
    """At its highest: it rises in a line over the warm-up, then falls to 0 with the cosine."""
    warmup: Fraction = 0.05
    """Share of the optimiser's steps."""
    epochs: Positive = 3
    micro_batch: Positive = 1
    """Examples that are in memory at once; halved where they do not fit."""
    accumulation: Positive = 8
    """Micro-batches to a step of the optimiser."""
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0
    max_tokens: Annotated[int, Field(ge=2)] = 4096
    """Longer examples are left out and counted, never cut."""
    gradient_checkpointing: bool = False
    """Computes activations twice to hold fewer; switched on where memory does not suffice."""
    four_bit: bool = False
    """The base model has 4-bit weights (QLoRA), as its loader was told."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42

    @property
    def batch(self) -> int:
        """Examples to a step of the optimiser."""
        return self.micro_batch * self.accumulation
