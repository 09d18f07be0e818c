"""Where each data set comes from, and how its files become arrays. One recipe per data set."""

import gzip
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]

SPLIT_SEED = 20260101
"""Of every split; part of the format, so a change needs a new `dataset.VERSION`."""
IDX_FILES = tuple(
    f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)
DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class Raw:
    """A data set as published: images ``(N, C, H, W)`` and labels ``(N,)`` of two parts."""

    train_images: Images
    train_labels: Labels
    test_images: Images
    test_labels: Labels


class Reader(Protocol):
    """Turns the files under a folder into arrays."""

    def __call__(self, folder: Path, scratch: Path, *, download: bool) -> Raw:
        """Read below ``folder``; with ``download``, fetch what is missing there.

        ``scratch`` is an empty folder that is thrown away afterwards.
        """
        ...


@dataclass(frozen=True)
class Recipe:
    """All that is known of a data set before it is prepared."""

    num_classes: int
    image_shape: tuple[int, int, int]
    num_train: int
    """Samples of the published training part, the search split included."""
    num_search: int
    num_test: int
    layouts: tuple[tuple[str, ...], ...]
    """Sets of files; a folder with one whole set has the data set."""
    read: Reader
    remedy: str
    """The command that gets it."""
    places: tuple[Path, ...] = field(default=())
    """Folders to look in, besides the caller's own."""

    def find(self, source: Path | None) -> Path | None:
        """Return the first folder that has the data set's files."""
        for folder in self.looked_in(source):
            if any(all((folder / name).is_file() for name in files) for files in self.layouts):
                return folder
        return None

    def looked_in(self, source: Path | None) -> tuple[Path, ...]:
        """Return the folders that `find` looks in, in its order."""
        return self.places if source is None else (source, *self.places)


def read_digits(folder: Path, scratch: Path, *, download: bool) -> Raw:
    """Read scikit-learn's 8 × 8 digits, enlarged to 28 × 28; 300 of them are the test part."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    enlarge = _bilinear(8, 28)
    images = np.einsum("yi,nij,xj->nyx", enlarge, digits.images, enlarge)
    pixels = np.rint(images * (255 / 16)).astype(np.uint8)[:, None]
    labels = digits.target.astype(np.int64)
    is_test = stratified(labels, 300, seed=SPLIT_SEED)
    return Raw(pixels[~is_test], labels[~is_test], pixels[is_test], labels[is_test])


def read_fashion_mnist(folder: Path, scratch: Path, *, download: bool) -> Raw:
    """Read Fashion-MNIST from a torchvision root, or from the folder of the Debian package."""
    from torchvision.datasets import FashionMNIST

    if (folder / f"{IDX_FILES[0]}.gz").is_file():
        raw = scratch / "FashionMNIST" / "raw"
        raw.mkdir(parents=True)
        for name in IDX_FILES:
            with gzip.open(folder / f"{name}.gz") as packed, (raw / name).open("wb") as unpacked:
                shutil.copyfileobj(packed, unpacked)
        folder = scratch
    return from_torchvision(FashionMNIST, folder, download=download)


def read_mnist(folder: Path, scratch: Path, *, download: bool) -> Raw:
    """Read MNIST from a torchvision root."""
    from torchvision.datasets import MNIST

    return from_torchvision(MNIST, folder, download=download)


def read_cifar_10(folder: Path, scratch: Path, *, download: bool) -> Raw:
    """Read CIFAR-10 from a torchvision root."""
    from torchvision.datasets import CIFAR10

    return from_torchvision(CIFAR10, folder, download=download)


def from_torchvision(dataset_class: Callable[..., Any], folder: Path, *, download: bool) -> Raw:
    """Read both parts of a torchvision data set that keeps its images in ``data``.

    Its class checks the files: by checksum where it publishes some (CIFAR-10), which it does
    before it unpickles anything.
    """
    train = dataset_class(str(folder), train=True, download=download)
    test = dataset_class(str(folder), train=False, download=download)
    return Raw(*_arrays(train), *_arrays(test))


def _arrays(part: Any) -> tuple[Images, Labels]:
    """Bring ``(N, H, W)`` tensors and ``(N, H, W, C)`` arrays to ``(N, C, H, W)``."""
    images = np.asarray(part.data, dtype=np.uint8)
    images = images[:, None] if images.ndim == 3 else images.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(images), np.asarray(part.targets, dtype=np.int64)


def _bilinear(size: int, new_size: int) -> NDArray[np.float64]:
    """Return the matrix ``(new_size, size)`` that enlarges one axis; pixels meet at their edges."""
    centres = np.clip((np.arange(new_size) + 0.5) * size / new_size - 0.5, 0, size - 1)
    distances = np.abs(centres[:, None] - np.arange(size)[None, :])
    return np.maximum(0.0, 1.0 - distances)


def stratified(labels: Labels, num_chosen: int, *, seed: int) -> NDArray[np.bool_]:
    """Mark ``num_chosen`` samples at random, of each class in proportion.

    What the proportions leave over goes to the classes with the largest remainders.
    """
    # The legacy generator's streams are frozen; those of default_rng may change with numpy.
    random = np.random.RandomState(seed)
    shares = np.bincount(labels) * (num_chosen / len(labels))
    quotas = np.floor(shares).astype(int)
    left_over = num_chosen - int(quotas.sum())
    quotas[np.argsort(quotas - shares, kind="stable")[:left_over]] += 1
    chosen = np.zeros(len(labels), dtype=np.bool_)
    for label, quota in enumerate(quotas):
        chosen[random.permutation(np.flatnonzero(labels == label))[:quota]] = True
    return chosen


def _sklearn_folder() -> tuple[Path, ...]:
    spec = importlib.util.find_spec("sklearn")  # finds it without importing it
    return (Path(spec.origin).parent,) if spec and spec.origin else ()


RECIPES: dict[str, Recipe] = {
    "digits": Recipe(
        num_classes=10,
        image_shape=(1, 28, 28),
        num_train=1497,
        num_search=300,
        num_test=300,
        layouts=(("datasets/data/digits.csv.gz",),),
        read=read_digits,
        remedy="pip install scikit-learn",
        places=_sklearn_folder(),
    ),
    "fashion-mnist": Recipe(
        num_classes=10,
        image_shape=(1, 28, 28),
        num_train=60_000,
        num_search=5_000,
        num_test=10_000,
        layouts=(
            tuple(f"FashionMNIST/raw/{name}" for name in IDX_FILES),
            tuple(f"{name}.gz" for name in IDX_FILES),
        ),
        read=read_fashion_mnist,
        remedy="apt-get install dataset-fashion-mnist` or `deltanas datasets fetch fashion-mnist",
        places=(DEBIAN_FASHION_MNIST,),
    ),
    "mnist": Recipe(
        num_classes=10,
        image_shape=(1, 28, 28),
        num_train=60_000,
        num_search=5_000,
        num_test=10_000,
        layouts=(tuple(f"MNIST/raw/{name}" for name in IDX_FILES),),
        read=read_mnist,
        remedy="deltanas datasets fetch mnist",
    ),
    "cifar-10": Recipe(
        num_classes=10,
        image_shape=(3, 32, 32),
        num_train=50_000,
        num_search=5_000,
        num_test=10_000,
        layouts=(("cifar-10-batches-py/batches.meta", "cifar-10-batches-py/test_batch"),),
        read=read_cifar_10,
        remedy="deltanas datasets fetch cifar-10",
    ),
}
"""The data sets by name; a new one is a reader and an entry here."""
