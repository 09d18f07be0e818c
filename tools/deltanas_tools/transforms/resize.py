"""Resizing batches of bytes as PIL does it: bilinear, and averaging where it shrinks.

PIL weighs with 22 fractional bits, rounds to bytes after the rows, and again after the columns.
torch's own resizing of bytes has weights of 16 bits in all. Both are exact where the weights are
short binary fractions, which is where a side grows by a power of two; else torch is off by one
grey level here and there, so that case has its own arithmetic.
"""

from functools import cache
from math import ceil

import torch
from torch.nn import functional

FRACTION_BITS = 22  # of PIL's weights
LARGEST_EXACT = 64  # growth up to which torch's weights of 16 bits are exact
CACHED_NUMEL = 2**19  # pixels of 4 bytes in a chunk, for a core's cache


def resize(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Resize uint8 images of shape (N, C, H, W), on any device.

    On a CPU the result is PIL's, bit for bit; elsewhere it differs by at most one grey level.
    """
    sides = tuple(images.shape[-2:])
    if sides == (height, width):
        return images
    if images.device.type != "cpu":
        enlarged = _interpolate(images.float(), height, width)
        return enlarged.round_().clamp_(0, 255).to(torch.uint8)
    if all(_is_short(*pair) for pair in zip(sides, (height, width), strict=True)):
        # With the channels last, one vector register holds a pixel: a third of the time.
        by_pixel = images.contiguous(memory_format=torch.channels_last)
        return _interpolate(by_pixel, height, width)
    return _resize_as_pil(images, height, width)


def _interpolate(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return functional.interpolate(
        images, size=(height, width), mode="bilinear", align_corners=False, antialias=True
    )


def _is_short(before: int, after: int) -> bool:
    growth, rest = divmod(after, before)
    return rest == 0 and growth <= LARGEST_EXACT and growth.bit_count() == 1


def _resize_as_pil(images: torch.Tensor, height: int, width: int) -> torch.Tensor:
    resized = images.new_empty((*images.shape[:2], height, width))
    at_once = max(1, CACHED_NUMEL // max(1, resized[:1].numel()))
    for start in range(0, len(images), at_once):
        part = _along(images[start : start + at_once], 3, width)
        resized[start : start + at_once] = _along(part, 2, height)
    return resized


def _along(images: torch.Tensor, dim: int, after: int) -> torch.Tensor:
    """Resize one side, dimension 2 or 3, to ``after`` pixels."""
    before = images.shape[dim]
    if before == after:
        return images
    first, weights = _weights(before, after)
    wide = images.int()
    total: torch.Tensor | None = None
    for tap, weight in enumerate(weights):
        # A tap past the end has weight 0; which pixel it reads does not matter.
        pixels = wide.index_select(dim, (first + tap).clamp(max=before - 1))
        product = pixels.mul_(weight.view(-1, 1) if dim == 2 else weight)
        total = product.add_(1 << (FRACTION_BITS - 1)) if total is None else total.add_(product)
    assert total is not None, "a side of at least one pixel has at least one weight"
    return total.bitwise_right_shift_(FRACTION_BITS).clamp_(max=255).to(torch.uint8)


@cache
def _weights(before: int, after: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return PIL's filter for one side.

    Returns:
        The first pixel that each result depends on, of shape ``(after,)``; and the weights of it
        and those behind it, of shape ``(taps, after)`` in int32, in units of 2 ** -22.
    """
    scale = before / after
    support = max(scale, 1.0)
    first = torch.zeros(after, dtype=torch.int64)
    weights = torch.zeros(2 * ceil(support) + 1, after, dtype=torch.int32)
    for at in range(after):
        center = (at + 0.5) * scale
        start = max(0, int(center - support + 0.5))
        end = min(before, int(center + support + 0.5))
        shares = [max(0.0, 1 - abs((x - center + 0.5) / support)) for x in range(start, end)]
        whole = sum(shares)
        first[at] = start
        for tap, share in enumerate(shares):
            weights[tap, at] = int(0.5 + share / whole * (1 << FRACTION_BITS))
    used = int(weights.any(dim=1).nonzero().max()) + 1
    return first, weights[:used]
