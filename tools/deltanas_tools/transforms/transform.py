"""The description of a transform: steps on bytes, and how bytes become numbers at the end."""

from dataclasses import dataclass, replace
from typing import Literal

from deltanas_tools.transforms.steps import DETERMINISTIC, CenterCrop, RandomCrop, Shape, Step

Ending = Literal["norm", "echo", "complex"]


@dataclass(frozen=True)
class Transform:
    """A named transform of images.

    Attributes:
        name: LEMUR's name for it.
        steps: What happens to the bytes, in this order.
        ending: ``norm`` subtracts the data set's mean and divides by its deviation; ``echo``
            scales to [0, 1]; ``complex`` does so in complex64, for networks of complex numbers.
    """

    name: str
    steps: tuple[Step, ...]
    ending: Ending = "norm"

    def image_shape(self, channels: int, height: int, width: int) -> Shape:
        """Return the ``(channels, height, width)`` that a network sees.

        Raises:
            ConfigError: the transform cannot be applied to images of this shape.
        """
        shape = (channels, height, width)
        for step in self.steps:
            shape = step.shape(shape)
        return shape

    def without_randomness(self) -> "Transform":
        """Return the same transform for scoring: the same shapes, and one result per image.

        A random crop becomes the crop of the middle; other random steps are left out. LEMUR scores
        through the transform it trains with, flips and all, so its accuracies vary by the draw.
        """
        kept = tuple(
            CenterCrop(step.size) if isinstance(step, RandomCrop) else step
            for step in self.steps
            if isinstance(step, (*DETERMINISTIC, RandomCrop))
        )
        return replace(self, steps=kept)
