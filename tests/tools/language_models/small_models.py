"""Language models of the paper's three classes and a fourth, with random weights."""

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

from deltanas_tools.language_models import LanguageModel

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
TEMPLATE_WITHOUT_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}"
    "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MERGES = [("x", "="), ("\u010a", "+"), ("\u0120", "\u0120"), ("\u010a", "\u0120"), ("a", "b")]
"""Tokens of two bytes, two of them across the end of a line."""

_SIZES = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "vocab_size": 320,
    "bos_token_id": None,
    "eos_token_id": None,
}
CONFIGS: dict[str, Any] = {
    "DeepSeek-Coder": LlamaConfig(**_SIZES),
    "Qwen2.5-Coder": Qwen2Config(**_SIZES, tie_word_embeddings=True),
    "Mistral": MistralConfig(**_SIZES, sliding_window=None),
    "Mistral with a window": MistralConfig(**_SIZES, sliding_window=9),
    "Gemma 2": Gemma2Config(
        **_SIZES, head_dim=8, query_pre_attn_scalar=8, sliding_window=9, attn_logit_softcapping=2.0
    ),
}


def byte_tokenizer() -> Any:
    """Return a byte-level BPE tokenizer, as DeepSeek-Coder and Qwen have."""
    pieces = sorted(pre_tokenizers.ByteLevel.alphabet()) + ["".join(pair) for pair in MERGES]
    tokenizer = Tokenizer(BPE({piece: at for at, piece in enumerate(pieces)}, MERGES))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return _fast(tokenizer, TEMPLATE)


def sentencepiece_tokenizer() -> Any:
    """Return a tokenizer as Mistral has: spaces are marked, and the first is dropped."""
    pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces += ["\u2581", *"abcdefgxyz=+-@.()", "\u2581\u2581", "x="]
    merges = [("\u2581", "\u2581"), ("x", "=")]
    vocabulary = {piece: at for at, piece in enumerate(pieces)}
    tokenizer = Tokenizer(BPE(vocabulary, merges, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("\u2581", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(content=" ", left=1),
        ]
    )
    return _fast(tokenizer, TEMPLATE_WITHOUT_SYSTEM)


def _fast(tokenizer: Tokenizer, template: str) -> Any:
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", extra_special_tokens=["<|im_start|>"]
    )
    fast.chat_template = template
    return fast


def small_model(name: str = "DeepSeek-Coder", tokenizer: Any = None) -> LanguageModel:
    """Return one of `CONFIGS` with the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(CONFIGS[name])
        for parameter in model.parameters():
            # Larger than a new model's, so that the tokens read matter for the next.
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    return LanguageModel(
        name="small", context=512, tokenizer=tokenizer or byte_tokenizer(), model=model.eval()
    )
