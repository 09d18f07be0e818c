"""Whole transforms on batches: against torchvision's, and what holds for all of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.transforms import Transform, parse, supported_names
from deltanas_tools.transforms.batched import Pipeline
from deltanas_tools.transforms.steps import Flip, RandomCrop

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
TOLERANCE = 1e-6  # of the `norm` ending


def random_images(count: int, channels: int = 3, side: int = 32) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (count, channels, side, side), dtype=np.uint8))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pipeline(name: str, *, train: bool = False, channels: int = 3) -> Pipeline:
    return Pipeline.of(parse(name), mean=MEAN[:channels], std=STD[:channels], train=train)


def through_pil(images: torch.Tensor, *steps: object) -> torch.Tensor:
    composed = transforms.Compose(steps)
    pictures = images.permute(0, 2, 3, 1).squeeze(3).numpy()
    return torch.stack([composed(Image.fromarray(picture)) for picture in pictures])


@pytest.mark.parametrize("size", [None, 32, 64, 128, 256, 299, 512])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_norm_is_torchvision_to_a_millionth(size: int | None, flip: bool, channels: int) -> None:
    images = random_images(2, channels)
    name = "norm" + (f"_{size}" if size else "")
    ours = parse(name)
    if flip:
        ours = replace(ours, steps=(*ours.steps, Flip(p=1)))
    mean, std = MEAN[:channels], STD[:channels]
    expected = through_pil(
        images,
        *((transforms.Resize(size), transforms.CenterCrop(size)) if size else ()),
        transforms.RandomHorizontalFlip(p=float(flip)),
        transforms.ToTensor(),
        transforms.Normalize(mean, std),
    )
    found = Pipeline.of(ours, mean=mean, std=std, train=True)(images, generator())
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("size", [None, 32, 64, 128, 256, 299, 512])
def test_echo_is_torchvision_to_the_bit(size: int | None) -> None:
    images = random_images(2)
    resize = (transforms.Resize((size, size)),) if size else ()
    expected = through_pil(images, *resize, transforms.ToTensor())
    name = "echo" + (f"_{size}" if size else "")
    assert torch.equal(pipeline(name)(images, generator()), expected)


def test_complex_is_echo_in_complex_numbers() -> None:
    images = random_images(2)
    expected = pipeline("echo_64")(images, generator()).to(torch.complex64)
    found = pipeline("complex_64")(images, generator())
    assert found.dtype == torch.complex64
    assert torch.equal(found, expected)


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    images = random_images(1).expand(400, -1, -1, -1)
    found = pipeline("echo_flip", train=True)(images, generator())
    plain = images[0].float() / 255
    mirrored = sum(torch.equal(image, plain.flip(-1)) for image in found)
    assert 150 < mirrored < 250
    assert mirrored + sum(torch.equal(image, plain) for image in found) == 400


def test_a_random_crop_reaches_every_offset() -> None:
    cropping = Transform("crops", (RandomCrop(32, padding=1),), "echo")
    images = random_images(1).expand(300, -1, -1, -1)
    found = Pipeline.of(cropping, mean=MEAN, std=STD, train=True)(images, generator())
    assert len(torch.unique(found, dim=0)) == 9


@pytest.mark.parametrize("name", supported_names())
def test_every_transform_runs_and_keeps_to_its_shape(name: str) -> None:
    images = random_images(2)
    for train in (False, True):
        found = pipeline(name, train=train)(images, generator())
        assert found.shape == (2, *parse(name).image_shape(3, 32, 32))
        assert found.is_contiguous()


@pytest.mark.parametrize("name", supported_names())
def test_a_seed_decides_everything(name: str) -> None:
    run, images = pipeline(name, train=True), random_images(4)
    assert torch.equal(run(images, generator(7)), run(images, generator(7)))


@pytest.mark.parametrize("name", ["norm_64_flip", "bf-v1-RandomCrop_RandomHorizontalFlip_5"])
def test_scoring_draws_nothing(name: str) -> None:
    run, images = pipeline(name), random_images(4)
    assert torch.equal(run(images, generator(1)), run(images, generator(2)))


@pytest.mark.parametrize("name", supported_names())
def test_preparing_once_changes_nothing(name: str) -> None:
    run, images = pipeline(name, train=True), random_images(3)
    prepared, rest = run.prepare(images)
    assert torch.equal(rest(prepared, generator()), run(images, generator()))


def test_preparing_over_the_budget_leaves_all_to_each_batch() -> None:
    run, images = pipeline("norm_64"), random_images(3)
    prepared, rest = run.prepare(images, memory_budget=3 * 3 * 64 * 64 - 1)
    assert prepared is images
    assert rest is run


def test_a_prepared_set_stays_bytes() -> None:
    prepared, rest = pipeline("norm_64").prepare(random_images(3))
    assert prepared.dtype == torch.uint8
    assert prepared.shape == (3, 3, 64, 64)
    assert rest.transform.steps == ()


def test_a_buffer_takes_the_result() -> None:
    run, images = pipeline("norm_64"), random_images(3)
    buffer = torch.empty(8, 3, 64, 64)
    found = run(images, generator(), out=buffer)
    assert found.data_ptr() == buffer.data_ptr()
    assert torch.equal(found, run(images, generator()))


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(["norm", "norm_32_flip", "norm_64", "echo_32_flip", "complex_32"]),
    count=st.integers(0, 5),
    channels=st.sampled_from([1, 3]),
    side=st.integers(1, 70),
)
def test_any_batch_of_any_size_comes_out_as_announced(
    name: str, count: int, channels: int, side: int
) -> None:
    images = random_images(count, channels, side)
    found = pipeline(name, train=True, channels=channels)(images, generator())
    assert found.shape == (count, *parse(name).image_shape(channels, side, side))
    assert torch.isfinite(found).all()


def test_an_image_does_not_depend_on_its_batch() -> None:
    run, images = pipeline("norm_299"), random_images(5)
    assert torch.equal(run(images, generator())[3:4], run(images[3:4], generator()))


def test_the_images_given_are_left_as_they_are() -> None:
    images = random_images(2)
    before = images.clone()
    for name in supported_names():
        pipeline(name, train=True)(images, generator())
    assert torch.equal(images, before)


def test_images_that_are_not_bytes_are_refused() -> None:
    with pytest.raises(ConfigError, match="uint8"):
        pipeline("norm")(random_images(1).float(), generator())


def test_a_buffer_of_another_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"room for \(2, 3, 64, 64\)"):
        pipeline("norm_64")(random_images(3), generator(), out=torch.empty(2, 3, 64, 64))


def test_statistics_of_another_number_of_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 statistics for images of 1 channels"):
        pipeline("norm")(random_images(1, channels=1), generator())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", supported_names())
def test_a_device_gives_what_the_cpu_gives(name: str) -> None:
    run, images = pipeline(name, train=True), random_images(4)
    found = run(images.cuda(), generator()).cpu()
    # One grey level of the resizing, and as much again where a step before it is on the edge.
    limit = 2.001 / 255 / (min(STD) if parse(name).ending == "norm" else 1)
    assert (found - run(images, generator())).abs().max() <= limit
