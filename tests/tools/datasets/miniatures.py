"""Each data set in miniature: its real files, a few images in them, and a server that has them.

torchvision's classes stay as they are, but for the checksums and addresses that they publish: those
become the miniature's own, so that their checks run and pass, and a changed byte fails them.
"""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from deltanas_tools.datasets import published
from deltanas_tools.datasets.recipes import RECIPES

IMAGENETTE_CLASSES = (
    *("n01440764", "n02102040", "n02979186", "n03000684", "n03028079"),
    *("n03394916", "n03417042", "n03425413", "n03445777", "n03888257"),
)
NUM_ATTRIBUTES, MALE = 40, 20


@dataclass(frozen=True)
class Miniature:
    """A data set's files, unpacked and as published, by their path below a torchvision root."""

    name: str
    sizes: tuple[int, int, int]
    """What the recipe calls ``num_train``, ``num_search`` and ``num_test``."""
    files: dict[str, bytes]
    archives: dict[str, bytes]
    publish: Callable[[pytest.MonkeyPatch, str], None]
    """Gives torchvision's class the miniature's checksums, and addresses below a URL."""

    def install(self, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        """Let the recipe expect the miniature's sizes, and the class its checksums."""
        num_train, num_search, num_test = self.sizes
        small = replace(
            RECIPES[self.name], num_train=num_train, num_search=num_search, num_test=num_test
        )
        monkeypatch.setitem(RECIPES, self.name, replace(small, places=()))
        self.publish(monkeypatch, url)


def write(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below ``root``."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def md5(data: bytes) -> str:
    """Return a checksum as torchvision has them."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def colours(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The red, green and blue by which an image tells its label."""
    return np.stack([labels, 100 + labels, 2 * labels], axis=1)


def idx(array: NDArray[np.uint8]) -> bytes:
    """The format of MNIST's files: magic number with the number of axes, sizes, bytes."""
    return struct.pack(f">{1 + array.ndim}I", 0x800 + array.ndim, *array.shape) + array.tobytes()


def jpeg(width: int, height: int, grey: int) -> bytes:
    """A JPEG of one colour, but for its outer eighths left and right, which are white."""
    pixels = np.full((height, width, 3), grey, np.uint8)
    pixels[:, : width // 8] = pixels[:, -(width // 8) :] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def tar_gz(files: dict[str, bytes]) -> bytes:
    """A packed tar archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def mnist(name: str, class_name: str) -> Miniature:
    """40 and 20 images; those of label k have the pixel value 10 k."""
    files, archives = {}, {}
    for part, size in (("train", 40), ("t10k", 20)):
        labels = (np.arange(size) % 10).astype(np.uint8)
        images = np.broadcast_to(10 * labels[:, None, None], (size, 28, 28)).astype(np.uint8)
        files[f"{class_name}/raw/{part}-images-idx3-ubyte"] = idx(images)
        files[f"{class_name}/raw/{part}-labels-idx1-ubyte"] = idx(labels)
    archives = {f"{path}.gz": gzip.compress(data, 1) for path, data in files.items()}

    def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        import torchvision

        published_class = getattr(torchvision.datasets, class_name)
        resources = [(path.split("/")[-1], md5(data)) for path, data in archives.items()]
        mirrors = [f"{url}/gone/", f"{url}/{class_name}/raw/"]
        monkeypatch.setattr(published_class, "mirrors", mirrors)
        monkeypatch.setattr(published_class, "resources", resources)

    return Miniature(name, (40, 10, 20), files, archives, publish)


def cifar(name: str, class_name: str, num_classes: int) -> Miniature:
    """Two images per class in each file, with the colours of `colours`."""
    import torchvision

    published_class = getattr(torchvision.datasets, class_name)
    base, meta = published_class.base_folder, published_class.meta
    trains = [file for file, _ in published_class.train_list]
    tests = [file for file, _ in published_class.test_list]
    labels = [*range(num_classes), *range(num_classes)]
    key = "labels" if num_classes == 10 else "fine_labels"
    data = np.empty((len(labels), 3, 32, 32), np.uint8)
    data[:] = colours(np.array(labels))[:, :, None, None]
    batch = pickle.dumps({"data": data.reshape(len(labels), -1), key: labels})
    classes = [str(label) for label in range(num_classes)]
    files = {f"{base}/{file}": batch for file in (*trains, *tests)}
    files[f"{base}/{meta['filename']}"] = pickle.dumps({meta["key"]: classes})
    packed = tar_gz(files)

    def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        fresh = meta | {"md5": md5(files[f"{base}/{meta['filename']}"])}
        monkeypatch.setattr(published_class, "train_list", [[each, md5(batch)] for each in trains])
        monkeypatch.setattr(published_class, "test_list", [[each, md5(batch)] for each in tests])
        monkeypatch.setattr(published_class, "meta", fresh)
        monkeypatch.setattr(published_class, "tgz_md5", md5(packed))
        monkeypatch.setattr(published_class, "url", f"{url}/{published_class.filename}")

    sizes = (len(trains) * len(labels), num_classes, len(labels))
    return Miniature(name, sizes, files, {published_class.filename: packed}, publish)


def svhn() -> Miniature:
    """40 and 20 images with the colours of `colours`; the digit 0 has the label 10."""
    from scipy.io import savemat

    files = {}
    for part, size in (("train", 40), ("test", 20)):
        labels = np.arange(size) % 10
        pixels = np.empty((32, 32, 3, size), np.uint8)
        pixels[:] = colours(labels).T
        file = io.BytesIO()
        savemat(file, {"X": pixels, "y": np.where(labels == 0, 10, labels)[:, None]})
        files[f"{part}_32x32.mat"] = file.getvalue()

    def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        from torchvision.datasets import SVHN

        lists = {
            path.split("_")[0]: [f"{url}/{path}", path, md5(data)] for path, data in files.items()
        }
        monkeypatch.setattr(SVHN, "split_list", lists)

    return Miniature("svhn", (40, 10, 20), files, files, publish)


def imagenette() -> Miniature:
    """Two and one image of each class, of class k with the grey 20 k, wide and high by turns."""
    files = {}
    for label, wnid in enumerate(IMAGENETTE_CLASSES):
        for part, number in (("train", 0), ("train", 1), ("val", 0)):
            width, height = ((240, 160), (170, 200))[number]
            image = jpeg(width, height, 20 * label)
            files[f"imagenette2-160/{part}/{wnid}/{wnid}_{number}.JPEG"] = image
    packed = tar_gz(files)

    def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        from torchvision.datasets import Imagenette

        path = "imagenette2-160.tgz"
        archives = Imagenette._ARCHIVES | {"160px": (f"{url}/{path}", md5(packed))}
        monkeypatch.setattr(Imagenette, "_ARCHIVES", archives)

    return Miniature("imagenette", (20, 10, 10), files, {"imagenette2-160.tgz": packed}, publish)


def celeba() -> Miniature:
    """Eight, four and four images; the men's (every second) are lighter."""
    parts = [0] * 8 + [1] * 4 + [2] * 4
    names = [f"{number:06}.jpg" for number in range(1, len(parts) + 1)]
    images = {
        f"img_align_celeba/{name}": jpeg(178, 218, 50 + 100 * (number % 2))
        for number, name in enumerate(names)
    }
    attributes = []
    for number in range(len(names)):
        values = np.full(NUM_ATTRIBUTES, -1)
        values[MALE] = 2 * (number % 2) - 1
        attributes.append("".join(f" {value:2}" for value in values))
    header = " ".join(f"Attribute_{number}" for number in range(NUM_ATTRIBUTES))
    lists = {
        "list_attr_celeba.txt": rows(names, attributes, f"{len(names)}\n{header}\n"),
        "identity_CelebA.txt": rows(names, [" 7"] * len(names)),
        "list_bbox_celeba.txt": rows(names, [" 1 2 3 4"] * len(names), "16\nimage_id x y w h\n"),
        "list_landmarks_align_celeba.txt": rows(names, [" 1" * 10] * len(names), "16\nnames\n"),
        "list_eval_partition.txt": rows(names, [f" {part}" for part in parts]),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, data in images.items():
            archive.writestr(path, data)
    archives = {"img_align_celeba.zip": packed.getvalue(), **lists}

    def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
        from torchvision.datasets import CelebA

        file_list = [(name, md5(data), name) for name, data in archives.items()]
        monkeypatch.setattr(CelebA, "file_list", file_list)
        monkeypatch.setattr(published, "GOOGLE_DRIVE", f"{url}/celeba/")

    def in_celeba(files: dict[str, bytes]) -> dict[str, bytes]:
        return {f"celeba/{path}": data for path, data in files.items()}

    sizes = (12, 4, 4)
    files = in_celeba(images | lists)
    return Miniature("celeba-gender", sizes, files, in_celeba(archives), publish)


def rows(names: list[str], values: list[str], head: str = "") -> bytes:
    """One of CelebA's lists: a name and numbers per line."""
    lines = (f"{name}{value}\n" for name, value in zip(names, values, strict=True))
    return (head + "".join(lines)).encode()


class Server(ThreadingHTTPServer):
    """Serves files from memory."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.cut: set[str] = set()
        """Paths of which only the first half is sent."""
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path = self.path.lstrip("/")
        self.server.asked.append(path)
        data = self.server.files.get(path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if path in self.server.cut else data)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""
