"""A prepared data set: a folder of arrays and the manifest that says what is in them."""

import hashlib
import json
import zlib
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from deltanas_repo_store.records import Name, Record
from deltanas_tools.syntax import PARSER

VERSION: Literal[1] = 1
"""Of the folder's format and of the splits; a new one prepares every data set anew."""
MANIFEST = "manifest.json"

Split = Literal["train", "search", "test"]
ArrayName = Literal[
    "train_images", "train_labels", "search_images", "search_labels", "test_images", "test_labels"
]
SPLITS: tuple[Split, ...] = ("train", "search", "test")


def crc32(path: Path) -> int:
    """Return the CRC-32 of a file, which may be larger than memory."""
    value = 0
    with path.open("rb") as file:
        while data := file.read(2**20):
            value = zlib.crc32(data, value)
    return value


class Corrupt(Exception):
    """A folder is not what its manifest says, or has none."""


class Dataset(Record):
    """A prepared data set.

    Images are uint8 arrays ``(samples, channels, height, width)``, labels int64 ``(samples,)``.
    """

    name: Name
    version: Literal[1] = VERSION
    num_classes: Annotated[int, Field(ge=2)]
    image_shape: tuple[int, int, int]
    """``(channels, height, width)``."""
    mean: tuple[Annotated[float, Field(ge=0.0, le=1.0)], ...]
    """Per channel, of the train split, with pixels from 0 to 1."""
    std: tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...]
    num_train: Annotated[int, Field(gt=0)]
    num_search: Annotated[int, Field(gt=0)]
    num_test: Annotated[int, Field(gt=0)]
    source: str
    """Where the images came from, in words."""
    checksums: dict[ArrayName, int]
    """CRC-32 of each array's file."""
    folder: Path

    @property
    def digest(self) -> str:
        """Return 16 hexadecimal digits that change with any byte of any split."""
        text = json.dumps([self.name, self.version, dict(sorted(self.checksums.items()))])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def path(self, array: ArrayName) -> Path:
        """Return where an array lies."""
        return self.folder / f"{array}.npy"

    def labels(self, split: Split) -> NDArray[np.int64]:
        """Load a split's labels. Only the parent's code may: never put them into a payload."""
        path = self.folder / f"{split}_labels.npy"
        with PARSER:
            labels: NDArray[np.int64] = np.load(path, allow_pickle=False)
        return labels

    def images(self, split: Split) -> NDArray[np.uint8]:
        """Map a split's images."""
        path = self.folder / f"{split}_images.npy"
        with PARSER:
            images: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        return images

    def write_manifest(self) -> None:
        """Write the manifest; the folder is complete with it."""
        text = self.model_dump_json(indent=2, exclude={"folder"}) + "\n"
        (self.folder / MANIFEST).write_text(text)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Read the manifest in ``folder``.

        Raises:
            Corrupt: there is none, or it cannot be read.
        """
        try:
            fields = json.loads((folder / MANIFEST).read_bytes())
            return cls.model_validate({**fields, "folder": folder})
        except (OSError, ValueError, TypeError, RecursionError, ValidationError) as error:
            raise Corrupt(f"{folder / MANIFEST}: {error}") from error

    def verify(self) -> None:
        """Check every array's form and every byte: about 0.2 s for 200 MB.

        Raises:
            Corrupt: a file is missing or not what the manifest says.
        """
        sizes = {"train": self.num_train, "search": self.num_search, "test": self.num_test}
        for split in SPLITS:
            for kind, dtype, shape in (
                ("images", np.uint8, (sizes[split], *self.image_shape)),
                ("labels", np.int64, (sizes[split],)),
            ):
                path = self.folder / f"{split}_{kind}.npy"
                try:
                    with PARSER:
                        array = np.load(path, mmap_mode="r", allow_pickle=False)
                    found = crc32(path)
                except (OSError, ValueError, EOFError) as error:
                    raise Corrupt(f"{path}: {error}") from error
                if array.dtype != dtype or array.shape != shape:
                    raise Corrupt(f"{path}: found {array.dtype} {array.shape}")
                if self.checksums.get(path.stem) != found:  # type: ignore[call-overload]
                    raise Corrupt(f"{path}: its bytes have changed")
