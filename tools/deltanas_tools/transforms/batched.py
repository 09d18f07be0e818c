"""Runs transforms on batches: bytes in, the numbers that a network sees out.

Random decisions are drawn on the CPU, step by step for the whole batch, so that a seed means the
same images on every device.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import prod

import torch
from torch.nn import functional

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.transforms import colours, geometry
from deltanas_tools.transforms.resize import resize
from deltanas_tools.transforms.steps import (
    DETERMINISTIC,
    Autocontrast,
    Blur,
    CenterCrop,
    Equalize,
    Flip,
    Grayscale,
    Pad,
    PadTo,
    Perspective,
    Posterize,
    RandomCrop,
    RandomGrayscale,
    Resize,
    Rotate,
    Shape,
    Sharpen,
    Solarize,
    Step,
)
from deltanas_tools.transforms.transform import Transform

PIXEL_RANGE = 255.0
MEMORY_BUDGET = 2 * 2**30  # bytes; CIFAR-10 takes 0.6 GB at 64 pixels and 9.8 GB at 256
PREPARED_AT_ONCE = 512  # images; bounds the working memory of `Pipeline.prepare`
CACHED_BYTES = 2**20  # what a chunk of the output may take to stay in a core's cache


@dataclass(frozen=True)
class Pipeline:
    """A transform, bound to the statistics of a data set.

    Attributes:
        transform: What to do to images.
        mean: Per channel, as a fraction of the pixel range; one value serves every channel.
        std: The standard deviation, in the same unit.
    """

    transform: Transform
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def of(
        cls,
        transform: Transform,
        *,
        mean: Sequence[float],
        std: Sequence[float],
        train: bool = False,
    ) -> "Pipeline":
        """Bind ``transform``; unless it is to ``train``, without its random steps."""
        chosen = transform if train else transform.without_randomness()
        return cls(chosen, tuple(mean), tuple(std))

    def prepare(
        self, images: torch.Tensor, *, memory_budget: int = MEMORY_BUDGET
    ) -> tuple[torch.Tensor, "Pipeline"]:
        """Do once for a whole set what is the same in every epoch.

        Args:
            images: uint8 of shape ``(N, C, H, W)``.
            memory_budget: Bytes that the result may take.

        Returns:
            The images after the leading deterministic steps, and the pipeline for the rest; or
            both as they were, where the budget does not suffice.
        """
        steps = self.transform.steps
        first = next((i for i, s in enumerate(steps) if not isinstance(s, DETERMINISTIC)), None)
        leading = replace(self.transform, steps=steps[:first])
        shape = leading.image_shape(*images.shape[1:])
        rest = () if first is None else steps[first:]
        if not leading.steps or len(images) * prod(shape) > memory_budget:
            return images, self
        prepared = torch.empty((len(images), *shape), dtype=torch.uint8, device=images.device)
        unused = torch.Generator()
        for start in range(0, len(images), PREPARED_AT_ONCE):
            part = slice(start, start + PREPARED_AT_ONCE)
            prepared[part] = _run(leading.steps, images[part], unused)
        return prepared, replace(self, transform=replace(self.transform, steps=rest))

    def __call__(
        self,
        images: torch.Tensor,
        generator: torch.Generator,
        *,
        out: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return what a network sees of a batch.

        Args:
            images: uint8 of shape ``(N, C, H, W)``, on any device.
            generator: Draws the decisions; of the CPU.
            out: Where to put the result, in float32 with room for the largest batch, to be
                overwritten by the next: a fresh tensor of 50 MB costs more than resizing does.

        Returns:
            float32 of shape ``(N, C', H', W')``, contiguous; complex64 where the transform is so.

        Raises:
            ConfigError: the transform cannot be applied to images of this shape.
        """
        if images.dtype != torch.uint8:
            raise ConfigError(f"a transform needs images of uint8, found {images.dtype}")
        shape_in = (images.shape[1], images.shape[2], images.shape[3])
        shape = (len(images), *self.transform.image_shape(*shape_in))
        changed = _run(_cheapest(self.transform.steps, shape_in), images, generator)
        numbers = torch.empty(shape, device=images.device) if out is None else out[: len(images)]
        if numbers.shape != shape:
            raise ConfigError(
                f"the result has shape {shape}, and there is room for {tuple(numbers.shape)}"
            )
        self._scale(changed, numbers)
        return numbers.to(torch.complex64) if self.transform.ending == "complex" else numbers

    def _scale(self, images: torch.Tensor, numbers: torch.Tensor) -> None:
        """Write into ``numbers`` what ``images`` are worth."""
        scale, shift = None, None
        if self.transform.ending == "norm":
            scale, shift = _scale_and_shift(self.mean, self.std, numbers.shape[1], numbers.device)
        at_once = max(1, CACHED_BYTES // (4 * max(1, numbers[:1].numel())))
        for start in range(0, len(images), at_once):
            part = numbers[start : start + at_once].copy_(images[start : start + at_once])
            if scale is None or shift is None:
                part.div_(PIXEL_RANGE)
            else:
                part.mul_(scale).add_(shift)


@cache
def _scale_and_shift(
    mean: tuple[float, ...], std: tuple[float, ...], num_channels: int, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a and b of ``(x / 255 - mean) / std == a * x + b``, each (1, C, 1, 1)."""
    for values in (mean, std):
        if len(values) not in (1, num_channels):
            raise ConfigError(f"{len(values)} statistics for images of {num_channels} channels")
    means = torch.tensor(mean, dtype=torch.float64).view(1, -1, 1, 1)
    stds = torch.tensor(std, dtype=torch.float64).view(1, -1, 1, 1)
    return (1 / (PIXEL_RANGE * stds)).float().to(device), (-means / stds).float().to(device)


def _cheapest(steps: tuple[Step, ...], shape: Shape) -> tuple[Step, ...]:
    """Drop what does nothing to images of this shape, and flip before enlarging.

    PIL's filter is symmetric to the last bit, so the order of flip and resize does not matter to
    the result; a small image is cheaper to flip than a large one.
    """
    kept: list[tuple[Step, Shape]] = []
    for step in steps:
        after = step.shape(shape)
        if isinstance(step, (Resize, CenterCrop)) and after == shape:
            continue
        place = len(kept)
        while isinstance(step, Flip) and place and isinstance(kept[place - 1][0], Resize):
            place -= 1
        kept.insert(place, (step, after))
        shape = after
    return tuple(step for step, _ in kept)


def _run(steps: Iterable[Step], images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    for step in steps:
        images = _apply(step, images, generator)
    return images


def _apply(step: Step, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Apply one step to a batch."""
    match step:
        case Resize() | CenterCrop() | Pad() | PadTo() | Grayscale():
            return _deterministic(step, images)
        case RandomCrop() | Flip() | Rotate() | Perspective():
            return _moved(step, images, generator)
        case Blur():
            sigma = torch.empty(len(images)).uniform_(step.low, step.high, generator=generator)
            return colours.blur(images, sigma)
        case _:
            chosen = _decide(step.p, images, generator)
            return geometry.choose(chosen, _coloured(step, images), images)


def _deterministic(
    step: Resize | CenterCrop | Pad | PadTo | Grayscale, images: torch.Tensor
) -> torch.Tensor:
    _, height, width = step.shape((images.shape[1], images.shape[2], images.shape[3]))
    match step:
        case Resize():
            return resize(images, height, width)
        case CenterCrop():
            return geometry.center_crop(images, step.size)
        case Pad():
            return geometry.pad(images, step.width, step.mode, step.fill)
        case PadTo():
            missing = (0, width - images.shape[3], 0, height - images.shape[2])
            return functional.pad(images, missing)
        case Grayscale():
            return colours.luma(images).expand(-1, 3, -1, -1)


def _moved(
    step: RandomCrop | Flip | Rotate | Perspective,
    images: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    match step:
        case Flip():
            chosen = _decide(step.p, images, generator)
            return geometry.flip(images, chosen, vertical=step.vertical)
        case RandomCrop():
            framed = geometry.pad(images, step.padding, "constant", (0,))
            top, left = (
                torch.randint(side - step.size + 1, (len(images),), generator=generator)
                for side in framed.shape[-2:]
            )
            device = images.device
            return geometry.crop(framed, top.to(device), left.to(device), step.size)
        case Rotate():
            degrees = torch.empty(len(images)).uniform_(
                -step.degrees, step.degrees, generator=generator
            )
            return geometry.rotate(images, degrees)
        case Perspective():
            chosen = _decide(step.p, images, generator)
            corners = _corners(step.distortion, images, generator)
            return geometry.choose(chosen, geometry.perspective(images, corners), images)


def _coloured(
    step: RandomGrayscale | Posterize | Solarize | Autocontrast | Equalize | Sharpen,
    images: torch.Tensor,
) -> torch.Tensor:
    match step:
        case RandomGrayscale():
            return colours.luma(images).expand_as(images)
        case Posterize():
            return colours.posterize(images, step.bits)
        case Solarize():
            return colours.solarize(images, step.threshold)
        case Autocontrast():
            return colours.autocontrast(images)
        case Equalize():
            return colours.equalize(images)
        case Sharpen():
            return colours.sharpen(images, step.factor)


def _decide(p: float, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return for each image whether a step of probability ``p`` happens to it."""
    return (torch.rand(len(images), generator=generator) < p).to(images.device)


def _corners(distortion: float, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Draw where the corners go, clockwise from the top left: (N, 4, 2) as x and y in pixels."""
    height, width = images.shape[-2:]
    shape = (len(images), 4, 1)
    # torchvision draws whole pixels, and on the far sides one more than on the near ones.
    across, down = int(distortion * (width // 2)), int(distortion * (height // 2))
    near_x, near_y = (torch.randint(n + 1, shape, generator=generator) for n in (across, down))
    far_x, far_y = (torch.randint(n + 1, shape, generator=generator) for n in (across, down))
    is_right = torch.tensor([False, True, True, False]).view(1, 4, 1)
    is_low = torch.tensor([False, False, True, True]).view(1, 4, 1)
    x = torch.where(is_right, width - 1 - far_x, near_x)
    y = torch.where(is_low, height - 1 - far_y, near_y)
    return torch.cat([x, y], dim=2)
