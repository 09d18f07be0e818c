"""The names of transforms: which are understood, which refused, and what shapes they give."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.transforms import REFUSED, parse, supported_names
from deltanas_tools.transforms.steps import CenterCrop, Flip, Pad, RandomCrop, Resize

FROZEN = Path(__file__).with_name("supported_names.txt").read_text().split()
DOCS = Path(__file__).parents[3] / "docs" / "transforms.md"


def test_the_supported_names_are_the_frozen_ones() -> None:
    assert list(supported_names()) == FROZEN


@pytest.mark.parametrize("name", FROZEN)
def test_every_name_has_a_shape_for_cifar(name: str) -> None:
    channels, height, width = parse(name).image_shape(3, 32, 32)
    assert channels == 3
    assert height == width


@pytest.mark.parametrize("name", [*FROZEN, *REFUSED])
def test_the_documentation_lists_every_name(name: str) -> None:
    assert f"| `{name}` |" in DOCS.read_text()


@pytest.mark.parametrize("name", REFUSED)
def test_a_name_that_we_do_not_run_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(ConfigError, match=r"not supported: .{20}"):
        parse(name)


def test_a_misspelt_name_is_refused_with_those_near_it() -> None:
    with pytest.raises(ConfigError, match=r"no transform 'norm_265_flip'; near it: norm_256_flip"):
        parse("norm_265_flip")


@given(st.text())
def test_any_other_text_is_refused(text: str) -> None:
    if text not in FROZEN:
        with pytest.raises(ConfigError):
            parse(text)


def test_norm_256_flip_is_resize_crop_flip() -> None:
    steps = (Resize(256, keeps_aspect=True), CenterCrop(256), Flip(p=0.5))
    assert parse("norm_256_flip").steps == steps


def test_a_generated_name_has_its_own_numbers() -> None:
    steps = (CenterCrop(32), Pad(1, "constant", (170, 12, 255)), Resize(64))
    assert parse("bf-v1-CenterCrop_Pad").steps == steps


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("norm", (3, 32, 32), (3, 32, 32)),
        ("norm_64", (3, 40, 80), (3, 64, 64)),
        ("echo_299_flip", (1, 28, 28), (1, 299, 299)),
        ("soft_pad", (3, 32, 48), (3, 800, 800)),
        ("bf-v1-Grayscale_50", (1, 28, 28), (3, 64, 64)),
        ("norm_256_224_flip", (3, 32, 32), (3, 224, 224)),
    ],
)
def test_the_name_decides_the_shape(
    name: str, shape: tuple[int, int, int], expected: tuple[int, int, int]
) -> None:
    assert parse(name).image_shape(*shape) == expected


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param("bf-v1-CenterCrop_Pad", (1, 32, 32), id="a colour for a grey image"),
        pytest.param("bf-v1-RandomCrop_82", (3, 8, 8), id="a crop larger than the image"),
        pytest.param("bf-v1-Pad_RandomPosterize_2", (3, 4, 4), id="a reflection too wide"),
        pytest.param("soft_pad", (3, 801, 32), id="an image larger than its frame"),
        pytest.param("bf-v1-Grayscale_50", (4, 32, 32), id="luma of four channels"),
    ],
)
def test_images_that_a_transform_cannot_take_are_refused(
    name: str, shape: tuple[int, int, int]
) -> None:
    with pytest.raises(ConfigError, match="needs images"):
        parse(name).image_shape(*shape)


@pytest.mark.parametrize("name", FROZEN)
def test_scoring_sees_the_shapes_of_training(name: str) -> None:
    transform = parse(name)
    scored = transform.without_randomness()
    assert scored.image_shape(3, 32, 32) == transform.image_shape(3, 32, 32)
    assert not any(isinstance(step, (Flip, RandomCrop)) for step in scored.steps)


def test_parsing_needs_no_torch() -> None:
    code = (
        "import sys; from deltanas_tools.transforms import parse; parse('norm_32_flip'); "
        "sys.exit('torch' in sys.modules)"
    )
    path = [str(folder) for folder in sys.path if folder]
    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:0] = {path}; {code}"], check=True)
