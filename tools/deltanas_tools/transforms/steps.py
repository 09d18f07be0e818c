"""The steps that transforms are made of: what each is, and what it does to the shape of an image.

Every step maps bytes to bytes. What it does to pixels is in `batched`, which needs torch; this
module does not. A shape is ``(channels, height, width)``.
"""

from dataclasses import dataclass
from typing import Literal

from deltanas_repo_store.errors import ConfigError

Shape = tuple[int, int, int]
PadMode = Literal["constant", "edge", "reflect", "symmetric"]


@dataclass(frozen=True)
class Resize:
    """Resize with PIL's bilinear filter, widened where it shrinks so that it averages.

    Attributes:
        size: Height and width in pixels, or the shorter side where `keeps_aspect`.
        keeps_aspect: Whether the longer side follows in proportion, cut to whole pixels.
    """

    size: int
    keeps_aspect: bool = False

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        channels, height, width = shape
        if not self.keeps_aspect:
            return channels, self.size, self.size
        longer = int(self.size * max(height, width) / min(height, width))
        return (channels, self.size, longer) if height <= width else (channels, longer, self.size)


@dataclass(frozen=True)
class CenterCrop:
    """Cut a square of `size` pixels from the middle; a smaller image gets a black border first."""

    size: int

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        return shape[0], self.size, self.size


@dataclass(frozen=True)
class Pad:
    """Add `width` pixels on each side.

    Attributes:
        width: Pixels per side.
        mode: What the border shows, in the words of numpy's ``pad``.
        fill: The colour of a constant border, one byte per channel; one byte serves every channel.
    """

    width: int
    mode: PadMode
    fill: tuple[int, ...] = (0,)

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        channels, height, width = shape
        if self.mode == "constant" and len(self.fill) not in (1, channels):
            raise ConfigError(
                f"a border of colour {self.fill} needs images of {len(self.fill)} channels, "
                f"found {channels}"
            )
        least = {"reflect": self.width + 1, "symmetric": self.width}.get(self.mode, 1)
        if min(height, width) < least:
            raise ConfigError(
                f"a {self.mode} border of {self.width} pixels needs images of at least "
                f"{least}×{least} pixels, found {height}×{width}"
            )
        return channels, height + 2 * self.width, width + 2 * self.width


@dataclass(frozen=True)
class PadTo:
    """Fill up with black on the right and below, to `size` pixels each way."""

    size: int

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        if max(shape[1:]) > self.size:
            raise ConfigError(
                f"filling up to {self.size} pixels needs images no larger, "
                f"found {shape[1]}×{shape[2]}"
            )
        return shape[0], self.size, self.size


@dataclass(frozen=True)
class RandomCrop:
    """Cut a square of `size` pixels from anywhere, after a black border of `padding` pixels."""

    size: int
    padding: int = 0

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        if min(shape[1:]) + 2 * self.padding < self.size:
            raise ConfigError(
                f"a random crop of {self.size} pixels needs images of at least "
                f"{self.size - 2 * self.padding} pixels each way, found {shape[1]}×{shape[2]}"
            )
        return shape[0], self.size, self.size


class SameShape:
    """A step that leaves the shape as it is."""

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        return shape


@dataclass(frozen=True)
class Flip(SameShape):
    """Mirror left and right, or top and bottom, with probability `p`."""

    p: float = 0.5
    vertical: bool = False


@dataclass(frozen=True)
class Rotate(SameShape):
    """Turn about the middle by up to `degrees` either way; nearest pixel, black corners."""

    degrees: float


@dataclass(frozen=True)
class Perspective(SameShape):
    """With probability `p`, move each corner inwards by up to half of `distortion` of the side."""

    distortion: float
    p: float


@dataclass(frozen=True)
class Grayscale:
    """Replace the colours by three equal channels of luma (ITU-R 601-2)."""

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        return _coloured(shape, 3)


@dataclass(frozen=True)
class RandomGrayscale:
    """Replace the colours by luma with probability `p`; the number of channels stays."""

    p: float

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        return _coloured(shape, shape[0])


def _coloured(shape: Shape, channels: int) -> Shape:
    if shape[0] not in (1, 3):
        raise ConfigError(f"luma needs images of 1 or 3 channels, found {shape[0]}")
    return channels, shape[1], shape[2]


@dataclass(frozen=True)
class Posterize(SameShape):
    """Keep the upper `bits` of every byte, with probability `p`."""

    bits: int
    p: float


@dataclass(frozen=True)
class Solarize(SameShape):
    """Invert the bytes that are not below `threshold`, with probability `p`."""

    threshold: int
    p: float


@dataclass(frozen=True)
class Autocontrast(SameShape):
    """Stretch each channel of an image to the whole range, with probability `p`."""

    p: float


@dataclass(frozen=True)
class Equalize(SameShape):
    """Even out the histogram of each channel of an image, with probability `p`."""

    p: float


@dataclass(frozen=True)
class Sharpen(SameShape):
    """Move away from the smoothed image, or below 1 towards it, with probability `p`."""

    factor: float
    p: float


@dataclass(frozen=True)
class Blur(SameShape):
    """Blur by a 3×3 Gaussian whose deviation is drawn between `low` and `high` pixels."""

    low: float
    high: float

    def shape(self, shape: Shape) -> Shape:
        """Return the shape after this step."""
        if min(shape[1:]) < 2:
            raise ConfigError("a blur needs images of at least 2×2 pixels")
        return shape


Step = (
    Resize
    | CenterCrop
    | Pad
    | PadTo
    | RandomCrop
    | Flip
    | Rotate
    | Perspective
    | Grayscale
    | RandomGrayscale
    | Posterize
    | Solarize
    | Autocontrast
    | Equalize
    | Sharpen
    | Blur
)
DETERMINISTIC = (Resize, CenterCrop, Pad, PadTo, Grayscale)
