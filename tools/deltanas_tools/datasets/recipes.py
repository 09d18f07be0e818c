"""What is known of each data set before it is prepared. One recipe per data set."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from deltanas_tools.datasets import published, readers
from deltanas_tools.datasets.archives import Archive
from deltanas_tools.datasets.readers import IDX_FILES, IMAGENETTE_FOLDERS, Reader

DEBIAN_FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class Found:
    """A folder that has a data set's files."""

    folder: Path
    is_packed: bool
    """Whether they are the archives as published, still to be unpacked."""


@dataclass(frozen=True)
class Recipe:
    """All that is known of a data set before it is prepared."""

    num_classes: int
    image_shape: tuple[int, int, int]
    num_train: int
    """Samples of the published training part, and of the validation part, if there is one."""
    num_search: int
    num_test: int
    layouts: tuple[tuple[str, ...], ...]
    """Sets of files or folders; a folder with one whole set has the data set."""
    read: Reader
    remedy: str
    """The command that gets it."""
    packed: tuple[str, ...] = ()
    """The published files, in the same places as those of ``archives``."""
    archives: Callable[[], tuple[Archive, ...]] = tuple
    """Returns the published files. A function, because torchvision is slow to import."""
    places: tuple[Path, ...] = field(default=())
    """Folders to look in, besides the caller's own."""

    def find(self, source: Path | None) -> Found | None:
        """Return the first folder that has the data set's files."""
        for folder in self.looked_in(source):
            if any(_has(folder, files) for files in self.layouts):
                return Found(folder, is_packed=False)
            if self.packed and _has(folder, self.packed):
                return Found(folder, is_packed=True)
        return None

    def looked_in(self, source: Path | None) -> tuple[Path, ...]:
        """Return the folders that `find` looks in, in its order."""
        return self.places if source is None else (source, *self.places)


def _has(folder: Path, files: tuple[str, ...]) -> bool:
    return all((folder / name).exists() for name in files)


def _sklearn_folder() -> tuple[Path, ...]:
    spec = importlib.util.find_spec("sklearn")  # finds it without importing it
    return (Path(spec.origin).parent,) if spec and spec.origin else ()


_CELEBA_LISTS = (
    "celeba/list_attr_celeba.txt",
    "celeba/identity_CelebA.txt",
    "celeba/list_bbox_celeba.txt",
    "celeba/list_landmarks_align_celeba.txt",
    "celeba/list_eval_partition.txt",
)

RECIPES: dict[str, Recipe] = {
    "digits": Recipe(
        num_classes=10,
        image_shape=(1, 28, 28),
        num_train=1497,
        num_search=300,
        num_test=300,
        layouts=(("datasets/data/digits.csv.gz",),),
        read=readers.read_digits,
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
        packed=tuple(f"FashionMNIST/raw/{name}.gz" for name in IDX_FILES),
        archives=published.fashion_mnist,
        read=readers.read_fashion_mnist,
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
        packed=tuple(f"MNIST/raw/{name}.gz" for name in IDX_FILES),
        archives=published.mnist,
        read=readers.read_mnist,
        remedy="deltanas datasets fetch mnist",
    ),
    "cifar-10": Recipe(
        num_classes=10,
        image_shape=(3, 32, 32),
        num_train=50_000,
        num_search=5_000,
        num_test=10_000,
        layouts=(("cifar-10-batches-py/batches.meta", "cifar-10-batches-py/test_batch"),),
        packed=("cifar-10-python.tar.gz",),
        archives=published.cifar_10,
        read=readers.read_cifar_10,
        remedy="deltanas datasets fetch cifar-10",
    ),
    "cifar-100": Recipe(
        num_classes=100,
        image_shape=(3, 32, 32),
        num_train=50_000,
        num_search=5_000,
        num_test=10_000,
        layouts=(tuple(f"cifar-100-python/{name}" for name in ("meta", "train", "test")),),
        packed=("cifar-100-python.tar.gz",),
        archives=published.cifar_100,
        read=readers.read_cifar_100,
        remedy="deltanas datasets fetch cifar-100",
    ),
    "svhn": Recipe(
        num_classes=10,
        image_shape=(3, 32, 32),
        num_train=73_257,
        num_search=5_000,
        num_test=26_032,
        layouts=(("train_32x32.mat", "test_32x32.mat"),),
        packed=("train_32x32.mat", "test_32x32.mat"),
        archives=published.svhn,
        read=readers.read_svhn,
        remedy="deltanas datasets fetch svhn",
    ),
    "imagenette": Recipe(
        num_classes=10,
        image_shape=(3, readers.IMAGENETTE_SIZE, readers.IMAGENETTE_SIZE),
        num_train=9_469,
        num_search=1_000,
        num_test=3_925,
        layouts=tuple((f"{name}/train", f"{name}/val") for name in IMAGENETTE_FOLDERS.values()),
        packed=("imagenette2-160.tgz",),
        archives=published.imagenette,
        read=readers.read_imagenette,
        remedy="deltanas datasets fetch imagenette",
    ),
    "celeba-gender": Recipe(
        num_classes=2,
        image_shape=(3, readers.CELEBA_SIZE, readers.CELEBA_SIZE),
        num_train=182_637,  # 162,770 of the training part, 19,867 of the validation part
        num_search=19_867,
        num_test=19_962,
        layouts=(("celeba/img_align_celeba", *_CELEBA_LISTS),),
        packed=("celeba/img_align_celeba.zip", *_CELEBA_LISTS),
        archives=published.celeba,
        read=readers.read_celeba_gender,
        remedy="deltanas datasets fetch celeba-gender",
    ),
}
"""The data sets by name; a new one is a reader, its published files and an entry here."""
