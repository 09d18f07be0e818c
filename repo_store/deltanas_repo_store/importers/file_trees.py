"""Files by name, wherever they are: in a wheel or in a folder. Nothing is written to disk.

Invariants: a file is read up to a limit and no further, whatever its headers say of its size; no
link is followed.
"""

import fnmatch
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from deltanas_repo_store.errors import ConfigError


class TooLarge(ValueError):
    """A file has more bytes than the reader takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"it has more than {limit} bytes")


def is_hidden(part: str) -> bool:
    """Tell whether a file or folder is none of a project's own."""
    return part.startswith(".") or part == "__pycache__"


class FileTree(Protocol):
    """Files that can be listed and read."""

    def names(self, folder: str = "") -> Iterator[str]:
        """Yield the paths of the regular files below ``folder``, with ``/``, in any order."""
        ...

    def matching(self, pattern: str) -> Iterator[str]:
        """Yield the paths that fit a pattern such as ``*.dist-info/METADATA``."""
        ...

    def read(self, name: str, limit: int) -> bytes:
        """Read a file that `names` yielded.

        Raises:
            TooLarge: it has more than ``limit`` bytes.
            ConfigError: it cannot be read, or is damaged.
        """
        ...

    def close(self) -> None:
        """Let go of the files."""
        ...


class ZipTree:
    """The files of a zip archive, such as a wheel."""

    def __init__(self, path: Path) -> None:
        """Open the archive.

        Raises:
            ConfigError: it cannot be read, or is not a zip archive.
        """
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            raise ConfigError(
                f"{path} is not a zip archive, or it is damaged ({error}); download it again"
            ) from error
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error

    def names(self, folder: str = "") -> Iterator[str]:
        """See `FileTree.names`."""
        prefix = f"{folder}/" if folder else ""
        for name in self._zip.namelist():
            if name.startswith(prefix) and not name.endswith("/"):
                yield name

    def matching(self, pattern: str) -> Iterator[str]:
        """See `FileTree.matching`."""
        yield from fnmatch.filter(self._zip.namelist(), pattern)

    def read(self, name: str, limit: int) -> bytes:
        """See `FileTree.read`."""
        info = self._zip.getinfo(name)
        if info.file_size > limit:
            raise TooLarge(limit)
        # The other methods of compression know no limit to what comes out.
        if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
            raise ConfigError(f"{name} in {self._path} is compressed in a way that wheels are not")
        try:
            with self._zip.open(info) as file:
                return file.read(limit + 1)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise ConfigError(
                f"{self._path} is damaged at {name} ({error}); download it again"
            ) from error

    def close(self) -> None:
        """See `FileTree.close`."""
        self._zip.close()


class FolderTree:
    """The files below a folder; links, hidden folders and ``__pycache__`` are left out."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self, folder: str = "") -> Iterator[str]:
        """See `FileTree.names`; nothing where there is no such folder."""
        top = self._path
        for part in PurePosixPath(folder).parts:
            top /= part
            if top.is_symlink():
                return
        for place, folders, files in os.walk(top, onerror=self._refuse):
            folders[:] = sorted(each for each in folders if not is_hidden(each))
            below = Path(place).relative_to(self._path).as_posix()
            prefix = "" if below == "." else f"{below}/"
            for name in sorted(files):
                if stat.S_ISREG(os.lstat(os.path.join(place, name)).st_mode):
                    yield prefix + name

    def matching(self, pattern: str) -> Iterator[str]:
        """See `FileTree.matching`."""
        for path in sorted(self._path.glob(pattern)):
            yield path.relative_to(self._path).as_posix()

    def read(self, name: str, limit: int) -> bytes:
        """See `FileTree.read`."""
        path = self._path / name
        try:
            # A link that takes the file's place after it was listed is not followed either.
            with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
                data = file.read(limit + 1)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        if len(data) > limit:
            raise TooLarge(limit)
        return data

    def close(self) -> None:
        """See `FileTree.close`; nothing is held open."""

    def _refuse(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise ConfigError(f"{error.filename} cannot be read: {error.strerror}") from error
