"""Which language model, what goes into it and what comes out, wherever it runs."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from deltanas_repo_store.records import Fraction, Record, Text

PACKAGED = "smollm2"
"""Name of the model that comes in a package: SmolLM2-135M-Instruct, Apache-2.0."""


class ModelSpec(Record):
    """A language model for this process, and how it is held in memory."""

    model: Annotated[str, Field(min_length=1)] = PACKAGED
    """A folder, a ``.gguf`` file, an id of the Hugging Face hub, or ``smollm2``."""
    revision: Annotated[str, Field(min_length=1)] | None = None
    """Commit, tag or branch on the hub; None is the main branch as it was fetched first."""
    adapter: Path | None = None
    """Folder of a LoRA adapter in PEFT's format that belongs to this model."""
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the weights; ``auto`` is bfloat16 where the device computes with it, else float32."""
    four_bit: bool = False
    """NF4 with double quantisation, as in the paper; needs CUDA and bitsandbytes."""
    context: Annotated[int, Field(ge=2)] | None = None
    """Tokens that prompt and answer may have together; None is what the model was made for."""


class Message(Record):
    """One turn of a chat."""

    role: Literal["system", "user", "assistant"]
    text: Text


class Sampling(Record):
    """How tokens are drawn. The defaults are the paper's."""

    temperature: Annotated[float, Field(ge=0)] = 0.35
    """0 takes the likeliest token."""
    top_k: Annotated[int, Field(ge=0)] = 50
    """How many tokens are in the draw; 0 is all."""
    top_p: Annotated[Fraction, Field(gt=0)] = 0.9
    """Probability of the likeliest tokens that are in the draw, together."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 1024


class Generation(Record):
    """One answer of a language model."""

    text: Text
    num_tokens: Annotated[int, Field(ge=0)]
    """Tokens written, the end-of-text token apart where the model's tokenizer tells."""
    finished: bool
    """False where the tokens ran out before the model was done."""
