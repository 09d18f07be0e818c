"""Where pixels go: cropping, padding, mirroring, turning, on batches of bytes.

Images have shape ``(N, C, H, W)`` in uint8, on any device, and so has every result. Decisions are
made elsewhere and come as one value per image, of shape ``(N,)``.
"""

from collections.abc import Sequence

import torch
from torch.nn import functional

from deltanas_tools.transforms.steps import PadMode

FIXED = 65536.0  # one pixel in PIL's fixed-point coordinates


def choose(chosen: torch.Tensor, changed: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return ``changed`` where ``chosen`` (N,) is true, and ``images`` elsewhere."""
    count, numel = len(images), images[0].numel() if len(images) else 0
    if numel == 0 or numel % 8 or not (changed.is_contiguous() and images.is_contiguous()):
        return torch.where(chosen.view(-1, 1, 1, 1), changed, images)
    # Eight pixels at a time: `where` is not vectorised for bytes.
    after, before = (tensor.view(count, numel).view(torch.int64) for tensor in (changed, images))
    words: torch.Tensor = torch.where(chosen.view(-1, 1), after, before)
    return words.view(torch.uint8).view(images.shape)


def flip(images: torch.Tensor, chosen: torch.Tensor, *, vertical: bool = False) -> torch.Tensor:
    """Mirror the images for which ``chosen`` (N,) is true."""
    images = images.contiguous()
    return choose(chosen, images.flip(-2 if vertical else -1), images)


def crop(images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, size: int) -> torch.Tensor:
    """Cut from each image the square of ``size`` pixels at its ``top`` and ``left``, both (N,)."""
    windows = images.unfold(2, size, 1).unfold(3, size, 1)
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def center_crop(images: torch.Tensor, size: int) -> torch.Tensor:
    """Cut the middle square of ``size`` pixels, with a black border where the image is smaller."""
    height, width = images.shape[-2:]
    missing_h, missing_w = max(0, size - height), max(0, size - width)
    if missing_h or missing_w:
        sides = (missing_w // 2, (missing_w + 1) // 2, missing_h // 2, (missing_h + 1) // 2)
        images = functional.pad(images, sides)
        height, width = images.shape[-2:]
    # Python's rounding to even is torchvision's here: an odd rest may go to either side.
    top, left = round((height - size) / 2), round((width - size) / 2)
    return images[..., top : top + size, left : left + size]


def pad(images: torch.Tensor, width: int, mode: PadMode, fill: Sequence[int]) -> torch.Tensor:
    """Add a border of ``width`` pixels; ``fill`` has one byte, or one per channel."""
    if width == 0:
        return images
    if mode == "constant":
        count, channels, height, length = images.shape
        colour = torch.tensor(fill, dtype=torch.uint8, device=images.device).view(1, -1, 1, 1)
        shape = (count, channels, height + 2 * width, length + 2 * width)
        framed = colour.expand(shape).contiguous()
        framed[..., width:-width, width:-width] = images
        return framed
    rows, columns = (_mirrored(size, width, mode, images.device) for size in images.shape[-2:])
    return images.index_select(2, rows).index_select(3, columns)


def _mirrored(size: int, width: int, mode: PadMode, device: torch.device) -> torch.Tensor:
    """Return the source of each of ``size + 2 * width`` positions along one side."""
    at = torch.arange(-width, size + width, device=device)
    last = size - 1
    if mode == "edge":
        return at.clamp(0, last)
    if mode == "reflect":
        return last - (last - at.abs()).abs()
    inside = torch.where(at < 0, -1 - at, at)
    return torch.where(inside > last, 2 * last + 1 - inside, inside)


def rotate(images: torch.Tensor, degrees: torch.Tensor) -> torch.Tensor:
    """Turn each image about its middle, anticlockwise by its ``degrees`` (N,) of float64.

    The nearest pixel in PIL's fixed-point arithmetic, so the result is PIL's, bit for bit; only
    angles strictly between -90 and 90 degrees are meant.
    """
    height, width = images.shape[-2:]
    angle = -torch.deg2rad(degrees.double().cpu())
    cos, sin = angle.cos(), angle.sin()
    start_x = -cos * (width / 2) - sin * (height / 2) + width / 2
    start_y = sin * (width / 2) - cos * (height / 2) + height / 2
    # The middle of the first pixel, and the steps along a row and down a column.
    origin_x, origin_y = start_x + (cos + sin) / 2, start_y + (cos - sin) / 2
    terms = (torch.stack([origin_x, origin_y, cos, sin, -sin]) * FIXED + 0.5).floor().long()
    x0, y0, step, x_by_y, y_by_x = (term.to(images.device).view(-1, 1, 1) for term in terms)
    row = torch.arange(height, device=images.device).view(1, -1, 1)
    column = torch.arange(width, device=images.device).view(1, 1, -1)
    source_x = (x0 + row * x_by_y + column * step) >> 16
    source_y = (y0 + row * step + column * y_by_x) >> 16
    return _gather(images, source_y, source_x, _inside(source_y, source_x, height, width))


def _inside(y: torch.Tensor, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
    return (x >= 0) & (x < width) & (y >= 0) & (y < height)


def _gather(
    images: torch.Tensor, y: torch.Tensor, x: torch.Tensor, seen: torch.Tensor
) -> torch.Tensor:
    """Return the pixels at ``y``, ``x`` of shape (N, H, W), black where ``seen`` is false."""
    count, channels, height, width = images.shape
    at = (y.clamp(0, height - 1) * width + x.clamp(0, width - 1)).view(count, 1, -1)
    pixels = images.reshape(count, channels, -1).gather(2, at.expand(-1, channels, -1))
    return (pixels * seen.reshape(count, 1, -1)).view(images.shape)


def perspective(images: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """Move the corners of each image to ``corners`` (N, 4, 2), as x and y in pixels.

    Clockwise from the top left; bilinear, and black where nothing was seen.
    """
    height, width = images.shape[-2:]
    a, b, c, d, e, f, g, h = (
        term.to(images.device).view(-1, 1, 1) for term in _coefficients(corners, height, width)
    )
    row = torch.arange(height, device=images.device, dtype=torch.float64).view(1, -1, 1) + 0.5
    column = torch.arange(width, device=images.device, dtype=torch.float64).view(1, 1, -1) + 0.5
    depth = g * column + h * row + 1
    x, y = (a * column + b * row + c) / depth, (d * column + e * row + f) / depth
    seen = _inside(y, x, height, width)
    x, y = x - 0.5, y - 0.5
    left, top = x.floor(), y.floor()
    right_share, low_share = (x - left).unsqueeze(1), (y - top).unsqueeze(1)
    rows = [(top + i).long().clamp(0, height - 1) for i in (0, 1)]
    columns = [(left + i).long().clamp(0, width - 1) for i in (0, 1)]
    upper, lower = (
        _between(
            _gather(images, at, columns[0], seen).double(),
            _gather(images, at, columns[1], seen).double(),
            right_share,
        )
        for at in rows
    )
    return _between(upper, lower, low_share).to(torch.uint8)


def _between(start: torch.Tensor, end: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    # Not torch.lerp: it computes from the nearer end, which rounds differently from PIL.
    return start + (end - start) * share


def _coefficients(corners: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """Return the eight coefficients (8, N) that map the moved corners back to the corners."""
    moved = corners.double().cpu()
    right, low = float(width - 1), float(height - 1)
    target = torch.tensor([[0, 0], [right, 0], [right, low], [0, low]], dtype=torch.float64)
    target = target.expand(len(moved), 4, 2)
    ones, zeros = torch.ones(len(moved), 4, 1), torch.zeros(len(moved), 4, 3)
    point = torch.cat([moved, ones], dim=2)
    to_x = torch.cat([point, zeros, -target[..., :1] * moved], dim=2)
    to_y = torch.cat([zeros, point, -target[..., 1:] * moved], dim=2)
    equations = torch.stack([to_x, to_y], dim=2).view(-1, 8, 8)
    # The same LAPACK routine and the same cut to float32 as in torchvision: a last bit decides
    # whether a pixel on the edge is seen.
    solved = torch.linalg.lstsq(equations, target.reshape(-1, 8, 1), driver="gels").solution
    coefficients: torch.Tensor = solved.squeeze(2).float().double()
    return coefficients.T
