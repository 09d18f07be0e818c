"""Writes a data set's arrays, image by image, so that memory stays bounded at any size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from deltanas_tools.datasets.archives import Progress
from deltanas_tools.datasets.dataset import Split, crc32
from deltanas_tools.datasets.readers import Part
from deltanas_tools.syntax import PARSER

_REPORTED_IMAGES = 256
_COUNTED_AT_ONCE = 256  # images; bounds the memory of `moments`


class WrongShape(Exception):
    """An image is not of the shape that all are to have, or there are too few or too many."""


def write_part(
    part: Part,
    splits: dict[Split, NDArray[np.bool_]],
    *,
    shape: tuple[int, int, int],
    folder: Path,
    progress: Progress,
) -> None:
    """Write a part's images and labels into the arrays of its splits, in the part's order.

    ``splits`` marks each split's samples; every sample is in one split.

    Raises:
        WrongShape: an image is not of ``shape``, or their number is not that of the labels.
    """
    rows: dict[Split, Iterator[NDArray[np.uint8]]] = {}
    split_of = np.empty(len(part.labels), dtype=object)
    for split, chosen in splits.items():
        split_of[chosen] = split
        np.save(folder / f"{split}_labels.npy", part.labels[chosen], allow_pickle=False)
        array: NDArray[np.uint8] = open_memmap(
            folder / f"{split}_images.npy",
            mode="w+",
            dtype=np.uint8,
            shape=(int(chosen.sum()), *shape),
        )
        rows[split] = iter(array.view(np.ndarray))  # plain rows are quicker than memmap's
    what, total = f"reading {' and '.join(splits)}", len(split_of)
    done = 0
    for done, image in enumerate(part.images, start=1):
        if image.shape != shape or done > total:
            raise WrongShape(f"image {done} of {total} has the shape {image.shape}, not {shape}")
        next(rows[split_of[done - 1]])[...] = image
        if done % _REPORTED_IMAGES == 0 or done == total:
            progress(what, done, total)
    if done != total:
        raise WrongShape(f"{done} images have {total} labels")


def checksums(folder: Path) -> dict[Any, int]:
    """Return the CRC-32 of each array's file in ``folder``, by the array's name."""
    return {path.stem: crc32(path) for path in sorted(folder.glob("*.npy"))}


def moments(path: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation per channel, exactly, from counts of the 256 values."""
    with PARSER:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    counts = np.zeros((images.shape[1], 256), dtype=np.int64)
    for start in range(0, len(images), _COUNTED_AT_ONCE):
        some = images[start : start + _COUNTED_AT_ONCE]
        for channel, seen in enumerate(counts):
            seen += np.bincount(some[:, channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    means = counts @ values / counts.sum(axis=1)
    squares = (counts * (values - means[:, None]) ** 2).sum(axis=1)
    return tuple(means.tolist()), tuple(np.sqrt(squares / counts.sum(axis=1)).tolist())
