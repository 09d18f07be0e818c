"""Each step on a batch is what torchvision does to each image through PIL, with the same draw."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as pil

from deltanas_tools.transforms import colours, geometry
from deltanas_tools.transforms.resize import resize
from deltanas_tools.transforms.steps import PadMode

Picture = Image.Image


def pictures(shape: tuple[int, int, int], count: int = 3) -> torch.Tensor:
    """Noise, dark noise, smooth shapes, and one flat image, as bytes (count + 1, C, H, W)."""
    channels, height, width = shape
    rng = np.random.default_rng(height * 1000 + width)
    noise = rng.integers(0, 256, (count, channels, height, width), dtype=np.uint8)
    noise[1::3] //= 4
    noise[2::3] = np.arange(width, dtype=np.uint8) * 5 + np.arange(height)[:, None].astype(np.uint8)
    flat = np.full((1, channels, height, width), 7, dtype=np.uint8)
    return torch.from_numpy(np.concatenate([noise, flat]))


def as_pil(image: torch.Tensor) -> Picture:
    return Image.fromarray(image.permute(1, 2, 0).squeeze(2).contiguous().numpy())


def each(images: torch.Tensor, change: Callable[[Picture], Picture]) -> torch.Tensor:
    """Return the images after `change`, one at a time, as bytes again."""
    return torch.stack([pil.pil_to_tensor(change(as_pil(image))) for image in images])


SHAPES = [(3, 32, 32), (1, 28, 28), (3, 9, 14), (1, 5, 4)]
shaped = pytest.mark.parametrize("shape", SHAPES, ids=str)


@shaped
@pytest.mark.parametrize("size", [32, 64, 128, 224, 256, 299, 512])
def test_resizing_is_exact(shape: tuple[int, int, int], size: int) -> None:
    images = pictures(shape)
    expected = each(
        images, lambda picture: pil.resize(picture, [size, size], InterpolationMode.BILINEAR)
    )
    assert torch.equal(resize(images, size, size), expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(1, 100), st.sampled_from([1, 3]))
def test_resizing_squares_is_exact_at_any_size(before: int, after: int, channels: int) -> None:
    images = pictures((channels, before, before), count=1)
    expected = each(images, lambda picture: pil.resize(picture, [after, after]))
    assert torch.equal(resize(images, after, after), expected)


def test_resizing_that_shrinks_the_height_more_is_within_one_grey_level() -> None:
    images = pictures((3, 100, 75))
    expected = each(images, lambda picture: pil.resize(picture, [64, 64]))
    assert (resize(images, 64, 64).int() - expected.int()).abs().max() <= 1


def test_the_path_of_other_devices_is_within_one_grey_level() -> None:
    images = pictures((3, 32, 32))
    expected = resize(images, 299, 299).int()
    sampled = torch.nn.functional.interpolate(
        images.float(), size=(299, 299), mode="bilinear", align_corners=False, antialias=True
    )
    assert (sampled.round().int() - expected).abs().max() <= 1


@shaped
@pytest.mark.parametrize("size", [1, 2, 8, 32])
def test_flipping_before_enlarging_changes_nothing(shape: tuple[int, int, int], size: int) -> None:
    images = pictures(shape)
    for side in (size, 64, 256, 299):
        after = resize(images, side, side).flip(-1)
        assert torch.equal(resize(images.flip(-1), side, side), after)


@shaped
@pytest.mark.parametrize("vertical", [False, True])
def test_chosen_images_are_flipped_and_others_not(
    shape: tuple[int, int, int], vertical: bool
) -> None:
    images = pictures(shape)
    mirrored = each(images, pil.vflip if vertical else pil.hflip)
    chosen = torch.tensor([True, False, True, False])
    expected = torch.where(chosen.view(-1, 1, 1, 1), mirrored, images)
    assert torch.equal(geometry.flip(images, chosen, vertical=vertical), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_every_crop_is_the_one_at_its_offset(channels: int) -> None:
    images = pictures((channels, 12, 14), count=1)[:1]
    framed = geometry.pad(images, 2, "constant", (0,))
    offsets = torch.cartesian_prod(torch.arange(9), torch.arange(11))
    cut = geometry.crop(framed.expand(len(offsets), -1, -1, -1), offsets[:, 0], offsets[:, 1], 8)
    picture = pil.pad(as_pil(images[0]), 2)
    expected = [
        pil.pil_to_tensor(pil.crop(picture, top, left, 8, 8)) for top, left in offsets.tolist()
    ]
    assert torch.equal(cut, torch.stack(expected))


@shaped
@pytest.mark.parametrize("size", [1, 3, 4, 27, 32, 48])
def test_the_middle_is_exact(shape: tuple[int, int, int], size: int) -> None:
    images = pictures(shape)
    expected = each(images, lambda picture: pil.center_crop(picture, [size]))
    assert torch.equal(geometry.center_crop(images, size), expected)


@shaped
@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "symmetric"])
@pytest.mark.parametrize("width", [0, 1, 3])
def test_a_border_is_exact(shape: tuple[int, int, int], mode: PadMode, width: int) -> None:
    images, fill = pictures(shape), (170, 12, 255)[: shape[0]]
    colour = fill if len(fill) > 1 else fill[0]
    expected = each(images, lambda picture: pil.pad(picture, width, colour, mode))
    assert torch.equal(geometry.pad(images, width, mode, fill), expected)


@shaped
@pytest.mark.parametrize("degrees", [0.0, -1.0, 0.001, 5.5, 13.37, -19.0])
def test_a_turn_is_exact(shape: tuple[int, int, int], degrees: float) -> None:
    images = pictures(shape)
    expected = each(images, lambda picture: pil.rotate(picture, degrees))
    angles = torch.full((len(images),), degrees, dtype=torch.float64)
    assert torch.equal(geometry.rotate(images, angles), expected)


@pytest.mark.parametrize("shape", SHAPES[:3], ids=str)
@pytest.mark.parametrize("inwards", [(0, 0, 0, 0), (1, 2, 0, 1), (3, 1, 2, 3)], ids=str)
def test_a_perspective_is_exact(
    shape: tuple[int, int, int], inwards: tuple[int, int, int, int]
) -> None:
    images, right, low = pictures(shape), shape[2] - 1, shape[1] - 1
    a, b, c, d = inwards
    corners = [[a, b], [right - b, c], [right - c, low - d], [d, low - a]]
    start = [[0, 0], [right, 0], [right, low], [0, low]]
    expected = each(images, lambda picture: pil.perspective(picture, start, corners, fill=0))
    moved = geometry.perspective(images, torch.tensor([corners] * len(images)))
    assert torch.equal(moved, expected)


COLOURS: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[Picture], Picture]]] = {
    "autocontrast": (colours.autocontrast, pil.autocontrast),
    "equalize": (colours.equalize, pil.equalize),
    **{
        f"posterize to {bits} bits": (
            partial(colours.posterize, bits=bits),
            partial(pil.posterize, bits=bits),
        )
        for bits in (4, 7, 8)
    },
    **{
        f"solarize from {threshold}": (
            partial(colours.solarize, threshold=threshold),
            partial(pil.solarize, threshold=threshold),
        )
        for threshold in (0, 172, 254)
    },
    **{
        f"sharpen by {factor}": (
            partial(colours.sharpen, factor=factor),
            partial(pil.adjust_sharpness, sharpness_factor=factor),
        )
        for factor in (0.51, 0.93, 1.39, 1.99)
    },
}


@shaped
@pytest.mark.parametrize("name", COLOURS)
def test_a_change_of_colour_is_exact(shape: tuple[int, int, int], name: str) -> None:
    ours, theirs = COLOURS[name]
    images = pictures(shape)
    assert torch.equal(ours(images), each(images, theirs))


def test_luma_is_exact() -> None:
    images = pictures((3, 32, 32))
    expected = each(images, lambda picture: pil.rgb_to_grayscale(picture, 1))
    assert torch.equal(colours.luma(images), expected)


@shaped
@pytest.mark.parametrize("sigma", [0.16, 0.5, 1.83])
def test_a_blur_is_within_one_grey_level(shape: tuple[int, int, int], sigma: float) -> None:
    images = pictures(shape)
    expected = each(images, lambda picture: pil.gaussian_blur(picture, [3, 3], [sigma, sigma]))
    blurred = colours.blur(images, torch.full((len(images),), sigma))
    assert (blurred.int() - expected.int()).abs().max() <= 1
