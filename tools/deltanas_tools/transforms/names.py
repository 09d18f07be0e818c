"""LEMUR's names of transforms, and what each of them means.

Names and parameters are those of the package nn-dataset, versions 2.1.2 and 2.2.11.
``generated.json`` holds the family ``bf-v1-*``, which LEMUR made by program.
"""

import json
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.transforms.steps import (
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
    Sharpen,
    Solarize,
    Step,
)
from deltanas_tools.transforms.transform import Ending, Transform

SIZES = (32, 64, 128, 256, 299, 512)
ENDINGS: tuple[Ending, ...] = ("norm", "echo", "complex")

_RESIZED_CROP = "crops of another size per image cannot be resized as one batch"
_PAIRS = "it changes pairs of images, for other tasks than classification"
REFUSED = {
    "bf-v1-Pad_RandomHorizontalFlip_RandomAffine": "random shear and scale are not implemented",
    "bf-v1-RandomResizedCrop_65": _RESIZED_CROP,
    "bf-v1-Resize_ColorJit_Flip_Blur": _RESIZED_CROP,
    "Resize_ColorJit_Flip_Blur": _RESIZED_CROP,
    "norm_160_flip": _RESIZED_CROP,
    "complex_192": _PAIRS,
    "complex_flip": "it fails in LEMUR, where it flips an array as if it were a PIL image",
    "denoise": _PAIRS,
    "five_crop": "it fails in LEMUR, where it resizes a tuple of crops as if it were one image",
    "sr": _PAIRS,
    "sr_transforms": _PAIRS,
}
"""Names that LEMUR has and we do not run, with the reason."""


def parse(name: str) -> Transform:
    """Return the transform that LEMUR means by `name`.

    Raises:
        ConfigError: LEMUR has no such transform, or it is one that we do not run.
    """
    if name in REFUSED:
        raise ConfigError(f"the transform {name!r} is not supported: {REFUSED[name]}")
    known = _transforms()
    if name not in known:
        near = get_close_matches(name, known)
        hint = f"near it: {', '.join(near)}; " if near else ""
        raise ConfigError(
            f"no transform {name!r}; {hint}known: norm, echo and complex, alone or with a size of "
            f"{', '.join(map(str, SIZES))} pixels and with or without flips, as in norm_32_flip, "
            f"and {len(known) - len(_sized())} others, listed in docs/transforms.md"
        )
    return known[name]


def supported_names() -> tuple[str, ...]:
    """Return every name that `parse` understands, in alphabetical order."""
    return tuple(sorted(_transforms()))


@cache
def _transforms() -> dict[str, Transform]:
    text = files(__package__).joinpath("generated.json").read_text(encoding="utf-8")
    generated = {
        name: Transform(name, tuple(_step(*entry) for entry in entries))
        for name, entries in json.loads(text).items()
    }
    return {**_sized(), **_single(), **generated}


@cache
def _sized() -> dict[str, Transform]:
    """Return the members of the three families ``<ending>[_<size>][_flip]``."""
    found = {}
    for ending in ENDINGS:
        for size in (None, *SIZES):
            for flip in (False, True):
                name = ending + (f"_{size}" if size else "") + ("_flip" if flip else "")
                steps: tuple[Step, ...] = () if size is None else _resize(ending, size)
                found[name] = Transform(name, (*steps, Flip()) if flip else steps, ending)
    return {name: transform for name, transform in found.items() if name not in REFUSED}


def _resize(ending: Ending, size: int) -> tuple[Step, ...]:
    # Only `norm` keeps the aspect; on square images all three are the same.
    return (
        (Resize(size, keeps_aspect=True), CenterCrop(size)) if ending == "norm" else (Resize(size),)
    )


def _single() -> dict[str, Transform]:
    """Return the transforms that belong to no family."""
    return {
        transform.name: transform
        for transform in (
            Transform("center_crop", (CenterCrop(48), Resize(64))),
            Transform("norm_224", _resize("norm", 224)),
            Transform(
                "norm_256_224_flip", (Resize(256, keeps_aspect=True), CenterCrop(224), Flip())
            ),
            Transform("norm_cc_256", _resize("norm", 256)),
            Transform("random_horizontal_flip", (Flip(p=0.24), Resize(64))),
            Transform("random_vertical_flip", (Flip(p=0.22, vertical=True), Resize(64))),
            Transform("resize-lemur-256", _resize("echo", 256), "echo"),
            Transform("soft_pad", (PadTo(800),), "echo"),
        )
    }


def _step(kind: str, *values: Any) -> Step:
    """Build a step from an entry of ``generated.json``: torchvision's name, then its numbers."""
    if kind == "Pad":
        width, mode, *fill = values
        return Pad(width, mode, *map(tuple, fill))
    step: Step = _STEPS[kind](*values)
    return step


_STEPS: dict[str, Any] = {
    "CenterCrop": CenterCrop,
    "GaussianBlur": Blur,
    "Grayscale": Grayscale,
    "RandomAdjustSharpness": Sharpen,
    "RandomAutocontrast": Autocontrast,
    "RandomCrop": RandomCrop,
    "RandomEqualize": Equalize,
    "RandomGrayscale": RandomGrayscale,
    "RandomHorizontalFlip": Flip,
    "RandomPerspective": Perspective,
    "RandomPosterize": Posterize,
    "RandomRotation": Rotate,
    "RandomSolarize": Solarize,
    "Resize": Resize,
}
