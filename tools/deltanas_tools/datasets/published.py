"""The published files of each data set: addresses and checksums, from torchvision's classes.

torchvision's own downloads write their progress to stderr and cannot be told not to; so its classes
say what to fetch, `archives` fetches it, and the classes then read what lies there.
"""

from typing import Any

from deltanas_tools.datasets.archives import Archive

GOOGLE_DRIVE = "https://drive.usercontent.google.com/download?export=download&confirm=t&id="


def mnist() -> tuple[Archive, ...]:
    """Return MNIST's files."""
    from torchvision.datasets import MNIST

    return _idx(MNIST)


def fashion_mnist() -> tuple[Archive, ...]:
    """Return Fashion-MNIST's files."""
    from torchvision.datasets import FashionMNIST

    return _idx(FashionMNIST)


def cifar_10() -> tuple[Archive, ...]:
    """Return CIFAR-10's file."""
    from torchvision.datasets import CIFAR10

    return (Archive(CIFAR10.filename, CIFAR10.tgz_md5, (CIFAR10.url,)),)


def cifar_100() -> tuple[Archive, ...]:
    """Return CIFAR-100's file."""
    from torchvision.datasets import CIFAR100

    return (Archive(CIFAR100.filename, CIFAR100.tgz_md5, (CIFAR100.url,)),)


def svhn() -> tuple[Archive, ...]:
    """Return SVHN's files, without the ``extra`` part, which nobody reads here."""
    from torchvision.datasets import SVHN

    published = (SVHN.split_list[split] for split in ("train", "test"))
    return tuple(Archive(path, md5, (url,)) for url, path, md5 in published)


def imagenette() -> tuple[Archive, ...]:
    """Return the file with ImageNette's images whose shorter side has 160 pixels."""
    from torchvision.datasets import Imagenette

    url, md5 = Imagenette._ARCHIVES["160px"]
    return (Archive(url.rsplit("/", 1)[-1], md5, (url,)),)


def celeba() -> tuple[Archive, ...]:
    """Return CelebA's files; all are needed, since torchvision's class checks all."""
    from torchvision.datasets import CelebA

    return tuple(
        Archive(f"{CelebA.base_folder}/{name}", md5, (GOOGLE_DRIVE + identifier,))
        for identifier, md5, name in CelebA.file_list
    )


def _idx(dataset_class: Any) -> tuple[Archive, ...]:
    folder = f"{dataset_class.__name__}/raw"
    return tuple(
        Archive(f"{folder}/{name}", md5, tuple(mirror + name for mirror in dataset_class.mirrors))
        for name, md5 in dataset_class.resources
    )
