"""Language models of real classes, random weights and a size that trains in milliseconds."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config

from deltanas_tools.finetune_lora.example import Example
from deltanas_tools.language_models.model import LanguageModel
from deltanas_tools.language_models.records import Message

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def byte_tokenizer(**special: str) -> Any:
    """Return a tokenizer with a token for each byte and three more."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE(vocab={each: at for at, each in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, additional_special_tokens=["<|im_start|>"], **special
    )
    fast.chat_template = TEMPLATE
    return fast


def llama_config(*, tied: bool = True, hidden: int = 32) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=260,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
    )


def qwen_config(*, tied: bool = False) -> Qwen2Config:
    return Qwen2Config(
        vocab_size=260,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
    )


def tiny_model(config: Any = None, *, kind: Any = AutoModelForCausalLM) -> LanguageModel:
    """Return a model with the same weights every time."""
    config = config or llama_config()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = kind.from_config(config) if kind is AutoModelForCausalLM else kind(config)
    tokenizer = byte_tokenizer(eos_token="<|im_end|>")
    return LanguageModel(name="tiny", context=512, tokenizer=tokenizer, model=made.eval())


def examples(count: int = 6) -> list[Example]:
    """Return chats whose answers have lengths of their own."""
    return [
        Example(
            prompt=(
                Message(role="system", text="You edit."),
                Message(role="user", text="width = " + "8" * (at % 3 + 1)),
            ),
            completion="@@\n-width = 8\n+width = 16\n" + "+deep = 2\n" * (at % 4),
        )
        for at in range(count)
    ]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return an adapter's weights."""
    tensors: dict[str, torch.Tensor] = load_file(folder / "adapter_model.safetensors")
    return tensors


def same_bits(one: Path, other: Path) -> bool:
    """Tell whether two adapters are equal to the bit."""
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
