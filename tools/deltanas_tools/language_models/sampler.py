"""Draws tokens as transformers' samplers do, with randomness that belongs to an answer."""

from collections.abc import Sequence

import torch
from transformers.generation.logits_process import TemperatureLogitsWarper, TopPLogitsWarper

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.language_models.records import Sampling


def draw(logits: torch.Tensor, sampling: Sampling, uniforms: Sequence[float]) -> list[int]:
    """Return a token for each row of logits.

    The warpers are transformers', in their order: temperature, top-k, top-p. Only what top-k
    keeps is sorted, where theirs sort the whole vocabulary, which took a tenth of a step of a
    0.5B model; of tokens that tie for the last place, theirs keep all.

    Args:
        logits: Shape ``(batch, vocabulary)``; -inf forbids a token.
        sampling: How to draw.
        uniforms: A number in [0, 1) for each row: where in the distribution, laid out from the
            likeliest token on, the token is taken.

    Raises:
        ProposerError: a row has no finite logit to choose, or has NaN.
    """
    scores = logits.float()
    num_kept = min(sampling.top_k or scores.shape[1], scores.shape[1])
    if sampling.temperature == 0:
        num_kept = 1
    else:
        scores = TemperatureLogitsWarper(float(sampling.temperature))(None, scores)
    scores, tokens = scores.topk(num_kept)  # likeliest first
    if not bool(scores[:, 0].isfinite().all()):
        raise ProposerError(
            "the language model computed NaN or infinite logits; its weights or its "
            "floating-point type do not work on this device"
        )
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    shares = scores.double().softmax(dim=-1)
    ends = shares.cumsum(dim=-1)
    places = torch.tensor(uniforms, dtype=ends.dtype, device=ends.device) * ends[:, -1]
    chosen = (ends <= places[:, None]).sum(dim=-1)
    # Rounding must not lead past the last token that can be drawn.
    chosen = chosen.minimum((shares > 0).sum(dim=-1) - 1)
    return list(tokens.gather(1, chosen[:, None])[:, 0].tolist())
