"""The loss on completions, with logits only where it is taken."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy

from deltanas_tools.finetune_lora.batches import Batch


def completion_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Return the negative log-likelihood of the targets in nats, summed, as a float32 scalar.

    The head is applied to the hidden states that predict a target and to no others: over a
    vocabulary of 49,152 tokens, the logits of a prompt are most of the memory and a fifth of the
    time of a small model.
    """
    device = model.device
    padded = not bool(batch.attention.all())
    logits = model(
        input_ids=batch.tokens.to(device),
        # Without a mask, attention takes its faster, causal path.
        attention_mask=batch.attention.to(device) if padded else None,
        logits_to_keep=batch.predicting.to(device),
        use_cache=False,
    ).logits
    return cross_entropy(logits.float(), batch.targets.to(device), reduction="sum")
