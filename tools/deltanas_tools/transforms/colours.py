"""What pixels show: luma, posterizing, contrast, sharpness, blur, on batches of bytes.

Images have shape ``(N, C, H, W)`` in uint8, on any device, and so has every result. All follow
PIL's integer arithmetic, so that the results are PIL's, bit for bit; but for `blur`.
"""

import torch
from torch.nn import functional

LUMA = (19595, 38470, 7471)  # 0.299, 0.587 and 0.114 in 65536ths, as PIL has them
SMOOTH_SUM = 13  # PIL's SMOOTH filter: 5 in the middle, 1 around it


def luma(images: torch.Tensor) -> torch.Tensor:
    """Return the brightness (N, 1, H, W) of images of 3 channels, or of 1 as they are."""
    if images.shape[1] == 1:
        return images
    weights = torch.tensor(LUMA, dtype=torch.int32, device=images.device).view(1, 3, 1, 1)
    total = torch.sum(images.int() * weights, dim=1, keepdim=True, dtype=torch.int32)
    return ((total + 0x8000) >> 16).to(torch.uint8)


def posterize(images: torch.Tensor, bits: int) -> torch.Tensor:
    """Keep the upper ``bits`` of every byte."""
    return torch.bitwise_and(images, 0xFF & ~(2 ** (8 - bits) - 1))


def solarize(images: torch.Tensor, threshold: int) -> torch.Tensor:
    """Invert the bytes that are not below ``threshold``."""
    return torch.where(images < threshold, images, 255 - images)


def autocontrast(images: torch.Tensor) -> torch.Tensor:
    """Stretch each channel of each image to the whole range; a flat one stays as it is."""
    low = images.amin(dim=(2, 3), keepdim=True).double()
    high = images.amax(dim=(2, 3), keepdim=True).double()
    flat = high <= low
    # Not `255 / span`: torch multiplies by the reciprocal there, which rounds twice.
    scale = torch.full_like(low, 255.0).div_(torch.where(flat, 255.0, high - low))
    offset = torch.where(flat, 0.0, -low * scale)
    # float64 and cut off, as PIL does: a float32 here is off by one at exact integers.
    return (images.double() * scale).add_(offset).clamp_(0, 255).to(torch.uint8)


def equalize(images: torch.Tensor) -> torch.Tensor:
    """Even out the histogram of each channel of each image."""
    planes = images.reshape(images.shape[0] * images.shape[1], -1)
    pixels = planes.long()
    counts = torch.zeros(len(planes), 256, dtype=torch.int64, device=images.device)
    counts.scatter_add_(1, pixels, torch.ones_like(pixels))
    # Every pixel but the brightest ones, in 255 equal parts.
    brightest = planes.amax(dim=1, keepdim=True).long()
    step = (planes.shape[1] - counts.gather(1, brightest)) // 255
    below = counts.cumsum(dim=1) - counts
    levels = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    unchanged = torch.arange(256, device=images.device).expand_as(levels)
    table = torch.where(step == 0, unchanged, levels).to(torch.uint8)
    return table.gather(1, pixels).view(images.shape)


def sharpen(images: torch.Tensor, factor: float) -> torch.Tensor:
    """Move from the smoothed image through the image: 1 gives the image, 2 goes as far again."""
    smooth = images.clone()
    if min(images.shape[-2:]) > 2:
        whole = images.float()
        around = functional.avg_pool2d(whole, 3, stride=1, divisor_override=1)
        total = around + 4 * whole[..., 1:-1, 1:-1]  # whole numbers, exact in float32
        rounded = (total + SMOOTH_SUM / 2).div_(SMOOTH_SUM).floor_()
        smooth[..., 1:-1, 1:-1] = rounded.to(torch.uint8)
    from_smooth = smooth.float()
    away = (images.float() - from_smooth).mul_(torch.tensor(factor, dtype=torch.float32))
    return from_smooth.add_(away).clamp_(0, 255).to(torch.uint8)


def blur(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Blur each image by a 3×3 Gaussian of deviation ``sigma`` (N,), in pixels.

    Within one grey level of torchvision, which adds up in another order.
    """
    side = torch.exp(-0.5 / sigma.float().to(images.device).square()).view(-1, 1, 1, 1)
    middle, side = 1 / (1 + 2 * side), side / (1 + 2 * side)
    framed = functional.pad(images.float(), (1, 1, 1, 1), mode="reflect")
    across = framed[..., 1:-1] * middle + (framed[..., :-2] + framed[..., 2:]) * side
    both = across[..., 1:-1, :] * middle + (across[..., :-2, :] + across[..., 2:, :]) * side
    return both.round_().clamp_(0, 255).to(torch.uint8)
