"""How each data set's files become images and labels: through torchvision's own classes.

A reader returns the labels at once and the images one by one: CelebA's would not fit in memory.
"""

import gzip
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deltanas_tools.datasets.splits import SPLIT_SEED, stratified

Image = NDArray[np.uint8]
Labels = NDArray[np.int64]

IDX_FILES = tuple(
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)
IMAGENETTE_SIZE = 160
"""Side of a stored ImageNette image: that of the smallest published version."""
IMAGENETTE_FOLDERS = {
    "160px": "imagenette2-160",
    "320px": "imagenette2-320",
    "full": "imagenette2",
}
"""By torchvision's name of the size; the first that is there is read."""
CELEBA_SIZE = 64
"""Side of a stored CelebA image: 202,599 of them take 2.5 GB; at the published 178, 19 GB."""
_MALE = 20
"""Place of ``Male`` among CelebA's attributes; the one that LEMUR's celeba-gender takes."""

Reader = Callable[[Path, Path], "Raw"]
"""Reads below a folder in torchvision's layout; gets an empty folder to scribble in besides."""


class Unreadable(Exception):
    """An image cannot be decoded."""


@dataclass(frozen=True)
class Part:
    """Labels ``(N,)``, and as many images ``(C, H, W)`` in the same order, to be read once."""

    labels: Labels
    images: Iterable[Image]


@dataclass(frozen=True)
class Raw:
    """A data set as published."""

    train: Part
    test: Part
    search: Part | None = None
    """A published validation part; where there is none, it is drawn from ``train``."""


def read_digits(folder: Path, scratch: Path) -> Raw:
    """Read scikit-learn's 8 × 8 digits, enlarged to 28 × 28; 300 of them are the test part."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    enlarge = _bilinear(8, 28)
    images = np.einsum("yi,nij,xj->nyx", enlarge, digits.images, enlarge)
    pixels = np.rint(images * (255 / 16)).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    is_test = stratified(labels, 300, seed=SPLIT_SEED)
    return Raw(Part(labels[~is_test], pixels[~is_test]), Part(labels[is_test], pixels[is_test]))


def read_fashion_mnist(folder: Path, scratch: Path) -> Raw:
    """Read Fashion-MNIST from a torchvision root, or from the folder of the Debian package."""
    from torchvision.datasets import FashionMNIST

    if (folder / f"{IDX_FILES[0]}.gz").is_file():
        raw = scratch / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for name in IDX_FILES:
            with gzip.open(folder / f"{name}.gz") as packed, (raw / name).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
        folder = scratch
    return _two_parts(FashionMNIST, folder)


def read_mnist(folder: Path, scratch: Path) -> Raw:
    """Read MNIST."""
    from torchvision.datasets import MNIST

    return _two_parts(MNIST, folder)


def read_cifar_10(folder: Path, scratch: Path) -> Raw:
    """Read CIFAR-10; its class checks each file's MD5 before it unpickles anything."""
    from torchvision.datasets import CIFAR10

    return _two_parts(CIFAR10, folder)


def read_cifar_100(folder: Path, scratch: Path) -> Raw:
    """Read CIFAR-100 with its 100 fine labels; checked as CIFAR-10 is."""
    from torchvision.datasets import CIFAR100

    return _two_parts(CIFAR100, folder)


def read_svhn(folder: Path, scratch: Path) -> Raw:
    """Read SVHN's cropped digits; its class checks the MD5s and makes label 10 the digit 0."""
    from torchvision.datasets import SVHN

    train, test = (SVHN(str(folder), split=split) for split in ("train", "test"))
    return Raw(Part(train.labels, train.data), Part(test.labels, test.data))


def read_imagenette(folder: Path, scratch: Path) -> Raw:
    """Read ImageNette from the smallest of its versions that is there."""
    from torchvision.datasets import Imagenette

    size = next(
        (each for each, name in IMAGENETTE_FOLDERS.items() if (folder / name / "val").is_dir()),
        "160px",
    )

    def part(split: str) -> Part:
        published = Imagenette(
            str(folder), split=split, size=size, transform=_square(IMAGENETTE_SIZE)
        )
        # The only place where the class has labels without decoding the images.
        paths, labels = zip(*published._samples, strict=True)
        return Part(np.asarray(labels, np.int64), _decoded(published, paths))

    return Raw(part("train"), part("val"))


def read_celeba_gender(folder: Path, scratch: Path) -> Raw:
    """Read CelebA with the labels 0, not male, and 1, male.

    The published validation part is the search split: the parts share no person, which a random
    draw from the training part would.
    """
    from torchvision.datasets import CelebA

    def part(split: str) -> Part:
        published = CelebA(
            str(folder), split=split, target_type="attr", transform=_square(CELEBA_SIZE)
        )
        labels = published.attr[:, _MALE].numpy().astype(np.int64)
        return Part(labels, _decoded(published, published.filename))

    return Raw(part("train"), part("test"), search=part("valid"))


def _two_parts(dataset_class: Callable[..., Any], folder: Path) -> Raw:
    """Read a torchvision data set that keeps its images in ``data``."""
    parts = []
    for train in (True, False):
        published = dataset_class(str(folder), train=train)
        images = np.asarray(published.data, dtype=np.uint8)
        images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
        parts.append(Part(np.asarray(published.targets, dtype=np.int64), images))
    return Raw(*parts)


def _decoded(published: Any, names: Sequence[str]) -> Iterator[Image]:
    """Decode images one by one."""
    for index, name in enumerate(names):
        try:
            image, _ = published[index]
        except (OSError, ValueError) as error:
            raise Unreadable(f"the image {name}: {error}") from error
        yield image


def _square(size: int) -> Callable[[Any], Image]:
    """Return what brings an image's shorter side to ``size`` and cuts out the middle square.

    With the same functions, and so the same pixels, as LEMUR's ``norm_S`` transforms.
    """
    from torchvision.transforms.functional import center_crop, pil_to_tensor, resize

    def apply(image: Any) -> Image:
        pixels: Image = pil_to_tensor(center_crop(resize(image.convert("RGB"), size), size)).numpy()
        return pixels

    return apply


def _bilinear(size: int, new_size: int) -> NDArray[np.float64]:
    """Return the matrix ``(new_size, size)`` that enlarges one axis; pixels meet at their edges."""
    centres = np.clip((np.arange(new_size) + 0.5) * size / new_size - 0.5, 0, size - 1)
    distances = np.abs(centres[:, None] - np.arange(size)[None, :])
    return np.maximum(0.0, 1.0 - distances)
