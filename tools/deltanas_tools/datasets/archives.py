"""Fetches published files, checks them, and unpacks them. Nothing unchecked is ever unpacked."""

import gzip
import hashlib
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

TIMEOUT_SECONDS = 60
"""Without a byte; a server that is silent for longer counts as unreachable."""
_CHUNK = 2**20
_REPORTED_FILES = 256

Progress = Callable[[str, int, int | None], None]
"""Told what is being done, how much of it is, and out of how much, where that is known."""


def silent(what: str, done: int, total: int | None) -> None:
    """Report nothing."""


@dataclass(frozen=True)
class Archive:
    """A published file, packed or not."""

    path: str
    """Below a torchvision root, where torchvision's class keeps it."""
    md5: str
    urls: tuple[str, ...]
    """Where it can be had; the first that answers with the right bytes is enough."""


class Unobtainable(Exception):
    """A file could not be downloaded, or is not the published one."""


def fetch(archive: Archive, root: Path, progress: Progress = silent) -> None:
    """Download a file to its place below ``root``, and check it.

    Raises:
        Unobtainable: no address had it; says what each answered.
    """
    target = root / archive.path
    target.parent.mkdir(parents=True, exist_ok=True)
    failures = []
    for url in archive.urls:
        try:
            _download(url, target, progress)
            _check(archive, target)
        except (OSError, HTTPException, Unobtainable) as error:
            failures.append(f"{url}: {error}")
        else:
            return
    raise Unobtainable("; ".join(failures))


def borrow(archive: Archive, source: Path, root: Path) -> None:
    """Link a file that the user has to its place below ``root``, and check it.

    Raises:
        Unobtainable: it is not the published one.
    """
    target = root / archive.path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to((source / archive.path).absolute())
    _check(archive, source / archive.path)


def unpack(packed: Path, progress: Progress = silent) -> None:
    """Unpack a file beside itself, and delete it; one that is not packed stays as it is."""
    what = f"unpacking {packed.name}"
    if packed.name.endswith((".tar.gz", ".tgz")):
        _unpack_tar(packed, lambda done, total: progress(what, done, total))
    elif packed.suffix == ".zip":
        _unpack_zip(packed, lambda done, total: progress(what, done, total))
    elif packed.suffix == ".gz":
        with gzip.open(packed) as source, packed.with_suffix("").open("wb") as target:
            shutil.copyfileobj(source, target)
    else:
        return
    packed.unlink()


def _download(url: str, target: Path, progress: Progress) -> None:
    what = f"downloading {target.name}"
    request = urllib.request.Request(url, headers={"User-Agent": "deltanas"})
    with (
        urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer,
        target.open("wb") as file,
    ):
        total = answer.length
        progress(what, 0, total)
        while chunk := answer.read(_CHUNK):
            file.write(chunk)
            progress(what, file.tell(), total)


def _check(archive: Archive, file: Path) -> None:
    with file.open("rb") as opened:
        found = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != archive.md5:
        size = file.stat().st_size
        raise Unobtainable(
            f"{archive.path} is not the published file: its MD5 is {found}, expected "
            f"{archive.md5} ({size:,} bytes)"
        )


def _unpack_tar(packed: Path, progress: Callable[[int, int], None]) -> None:
    size = packed.stat().st_size
    with packed.open("rb") as file, tarfile.open(fileobj=file, mode="r:gz") as archive:
        # Absent before Python 3.11.4; what is unpacked was checked, so this is a second wall.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        for member in archive:
            archive.extract(member, packed.parent)
            progress(file.tell(), size)


def _unpack_zip(packed: Path, progress: Callable[[int, int], None]) -> None:
    with zipfile.ZipFile(packed) as archive:
        members = archive.infolist()
        for done, member in enumerate(members, start=1):
            archive.extract(member, packed.parent)
            if done % _REPORTED_FILES == 0 or done == len(members):
                progress(done, len(members))
