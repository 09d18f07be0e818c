"""The repository port on a bare git repository: objects as files, refs through git itself.

GitPython opens, configures and runs git. Refs change only in git's own transactions
(`ref_updates`), and are listed by ``git for-each-ref``: GitPython's own ref look-ups are O(n), and
its porcelain is not safe with several writers. There is no work tree and no index.
"""

import configparser
import contextlib
import fcntl
import functools
import logging
import os
import re
import shlex
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import git
from git.exc import GitCommandError, InvalidGitRepositoryError, NoSuchPathError

from deltanas_repo_store.errors import StoreBusy, StoreCorrupt, StoreError, UnreadableObject
from deltanas_repo_store.repository import RefChange, damage
from deltanas_repo_store.repository.loose import write_loose
from deltanas_repo_store.repository.maintenance import Maintained, is_due, maintain
from deltanas_repo_store.repository.objects import GitObject, Kind, file_id
from deltanas_repo_store.repository.packs import pack
from deltanas_repo_store.repository.ref_listing import last_line, list_refs
from deltanas_repo_store.repository.ref_locks import (
    clear_all_left_over,
    clear_left_over,
    open_writers_file,
    writing,
)
from deltanas_repo_store.repository.ref_state import EVERYWHERE, changed_since, is_packed
from deltanas_repo_store.repository.ref_updates import RefsRefused, RefUpdates

logger = logging.getLogger(__name__)

FORMAT = "2"
"""Version of the store's layout, kept in the repository's configuration."""

BIG_FILE = "1m"
"""From here on git keeps no blob in memory; for deltas, which weights lack, it would keep fifty."""

LOCK_PATIENCE_SECONDS = 10.0
"""How long a write waits for another writer of the same ref; a transaction takes milliseconds."""

_ID_LENGTH = 40
_NO_SUCH = "could not be resolved"
"""In what GitPython says of a name that git answered it does not know."""
_LOCKED = re.compile(
    r"[Uu]nable to create (?:'|file )(?P<lock>[^'\n]+?\.(?:lock|new))'?: File exists"
)
"""Of a ref, or of the file that is to replace ``packed-refs``."""
_PRUNED = re.compile(r"[Uu]nable to create [^\n]*: No such file or directory")
"""While ``git pack-refs`` removes folders that it has emptied."""
_BROKEN = re.compile(r"unable to resolve reference '([^']+)': reference broken")
_MOVED = re.compile(
    r"reference already exists|but expected|unable to resolve reference|exists; cannot"
)


def create_repository(path: Path, *, head: str = "main") -> None:
    """Make an empty store at ``path``: all of it or nothing.

    ``head`` is the branch that plain ``git log`` and ``git clone`` show, once it is there.

    Raises:
        StoreError: something is there already, or the place cannot be written.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise StoreError(f"{path} exists and is not empty; give a path where nothing is yet")
    with _told_as_store_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        with _told_as_store_errors(path):
            # Not the user's template: its hooks would run on every write.
            init = ["git", "init", "--quiet", "--bare", "--template=", "--object-format=sha1"]
            git.Git().execute(
                [*init, f"--initial-branch={head}", str(made)],
                # Of a user who prefers another: the index looks at files of refs.
                env={"GIT_DEFAULT_REF_FORMAT": "files"},
            )
            with git.Repo(made) as repo, repo.config_writer() as config:
                config.set_value("deltanas", "format", FORMAT)
                # Loose objects and refs reach the disk before a write is acknowledged.
                config.set_value("core", "fsync", "committed")
                config.set_value("core", "bigFileThreshold", BIG_FILE)
                config.set_value("gc", "auto", "0")
            made.chmod(0o755)
            made.rename(path)
    finally:
        shutil.rmtree(made, ignore_errors=True)


class GitRepository:
    """The bare git repository at ``path``, made by `create_repository`."""

    def __init__(self, path: Path) -> None:
        """Open the store.

        Raises:
            StoreError: there is no store of ours at ``path``.
        """
        self._path = path = path.absolute()
        if not path.exists():
            raise StoreError(f"there is no store at {path}; `deltanas init {path}` makes one")
        try:
            self._repo = git.Repo(path)
        except (InvalidGitRepositoryError, NoSuchPathError):
            raise StoreError(
                f"{path} is not a git repository, so not a store; `deltanas init` makes one"
            ) from None
        try:
            with self._repo.config_reader("repository") as config:
                found = str(config.get_value("deltanas", "format", ""))
        except (configparser.Error, OSError) as error:
            raise StoreCorrupt(f"{path / 'config'} cannot be read: {error}") from error
        if found != FORMAT:
            self._repo.close()
            what = f"has format {found}, not {FORMAT}" if found else "is not a DeltaNAS store"
            raise StoreError(f"the git repository {path} {what}; `deltanas init` makes a store")
        # The caller's environment must not redirect us, and its hooks must not run.
        environment = {
            "GIT_DIR": str(path),
            "GIT_OBJECT_DIRECTORY": str(path / "objects"),
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "core.hooksPath",
            "GIT_CONFIG_VALUE_0": os.devnull,
            "GIT_CONFIG_KEY_1": "core.bigFileThreshold",  # of a copy of a store
            "GIT_CONFIG_VALUE_1": BIG_FILE,
            "LC_ALL": "C",
        }
        self._repo.git.update_environment(**environment)
        self._cat_file = threading.Lock()
        self._refs = RefUpdates(path, {**os.environ, **environment})

    @property
    def path(self) -> Path:
        """Where the repository is."""
        return self._path

    def cache(self) -> Path:
        """Return the folder for what can be made anew at any time."""
        return self._path / "deltanas"

    def close(self) -> None:
        """End the child processes that read objects and write refs."""
        self._refs.close()
        self._repo.close()

    def write(self, objects: Iterable[GitObject]) -> None:
        """Write loose objects, each on the disk before its name appears."""
        with _told_as_store_errors(self._path):
            for each in objects:
                write_loose(f"{self._path}/objects", each)

    def write_pack(self, objects: Iterable[GitObject]) -> None:
        """Write many objects as one pack; none is there before all are."""
        with _told_as_store_errors(self._path), tempfile.TemporaryFile() as packed:
            packed.writelines(pack(objects))
            packed.seek(0)
            self._git("index-pack", "--stdin", istream=packed)

    def write_file(self, file: IO[bytes]) -> str:
        """Write a file's bytes as a blob, and return its id."""
        with _told_as_store_errors(self._path):
            os.lseek(file.fileno(), 0, os.SEEK_SET)  # Python may have read ahead
            return self._git("hash-object", "-w", "--stdin", istream=file)

    def read_file(self, blob_id: str, file: IO[bytes]) -> None:
        """Fill an empty file with a blob's bytes, or raise `StoreCorrupt`."""
        with _told_as_store_errors(self._path), contextlib.suppress(GitCommandError):
            self._git("cat-file", "blob", blob_id, output_stream=file)
        if file_id(file) != blob_id:
            raise self._unreadable(blob_id)

    def read(self, object_id: str) -> GitObject:
        """Return an object, or raise `StoreCorrupt`."""
        found = self._read(object_id)
        if found is None:
            raise self._unreadable(object_id)
        return found

    def _read(self, object_id: str) -> GitObject | None:
        # Twice, because the process that reads may have been ended by a Ctrl-C meant for us.
        for _ in range(2):
            try:
                with self._cat_file:
                    _, kind, _, data = self._repo.git.get_object_data(object_id)
                found = GitObject(_kind(kind, object_id), data)
            except (ValueError, OSError):
                self._repo.git.clear_cache()
                continue
            if found.id == object_id:
                return found
            # Git ends amid an object that is damaged, and GitPython takes that for its end.
            self._repo.git.clear_cache()
        return None

    def _unreadable(self, object_id: str) -> UnreadableObject:
        needing = damage.refs_that_need(object_id, self.refs(EVERYWHERE), self._read)
        return damage.unreadable(self._path, object_id, needing)

    def read_all(self, object_ids: Iterable[str]) -> Iterator[GitObject]:
        """Yield the objects in the order of their ids, or raise `StoreCorrupt`."""
        with tempfile.TemporaryFile() as wanted, tempfile.TemporaryFile() as found:
            ids = list(object_ids)
            wanted.write("".join(f"{each}\n" for each in ids).encode())
            wanted.seek(0)
            # Git ends where an object is damaged; what it has said before tells which.
            with _told_as_store_errors(self._path), contextlib.suppress(GitCommandError):
                options = {"istream": wanted, "output_stream": found}
                self._git("cat-file", "--batch", "--buffer", **options)
            found.seek(0)
            for object_id in ids:
                _, kind, *size = [*found.readline().decode().split(), "", ""][:3]
                data = found.read(int(size[0])) if size[0] else b""
                each = GitObject(_kind(kind, object_id), data) if size[0] else None
                if each is None or each.id != object_id or found.read(1) != b"\n":
                    yield self.read(object_id)  # which tells of it
                    raise StoreError(f"git ended while it read {self._path}; try again")
                yield each

    def find(self, prefix: str) -> str | None:
        """Return the one commit whose id starts with ``prefix``."""
        found = self._header(prefix)
        if found is None and len(prefix) == _ID_LENGTH and prefix in self.refs(EVERYWHERE).values():
            raise self._unreadable(prefix)
        return found[0] if found and _kind(found[1], found[0]) == "commit" else None

    def ref(self, name: str) -> str | None:
        """Return the object id of one ref."""
        if found := self._header(name):
            return found[0]
        is_there = (self._path / name).is_file() or is_packed(self._path, name)
        return self._listed(name) if is_there else None

    def _listed(self, ref: str) -> str | None:
        """Return what a ref names that git says it does not know; raise where it is broken."""
        object_id = self.refs(ref).get(ref)
        if object_id is not None and self._header(object_id) is None:
            raise self._unreadable(object_id)
        return object_id

    def _header(self, name: str) -> tuple[str, str] | None:
        """Return id and kind of the object that git knows under this name."""
        for _ in range(2):  # see `_read`
            try:
                with self._cat_file:
                    object_id, kind, _ = self._repo.git.get_object_header(name)
            except ValueError as error:
                if _NO_SUCH in str(error):
                    return None
                self._repo.git.clear_cache()
            except OSError:
                self._repo.git.clear_cache()
            else:
                return _text(object_id), _text(kind)
        self.refs(EVERYWHERE)  # which tells what git stumbles over
        raise StoreCorrupt(
            f"git cannot look up {name} in {self._path}; `git -C {self._path} fsck` says why"
        )

    def changed_since(self, state: str) -> tuple[tuple[str, ...], str]:
        """Return the prefixes below which refs may have changed, and the present state."""
        return changed_since(self._path, state)

    def refs(self, *prefixes: str) -> dict[str, str]:
        """Return the refs at and below ``prefixes``."""
        return list_refs(self._path, self._repo.git, prefixes)

    def broken(self, ref: str, what: str, *, remove: str = "") -> StoreCorrupt:
        """Return the error about a ref that cannot be followed, with the ways to mend it."""
        return damage.broken_ref(self._path, ref, what, remove)

    def update(self, changes: Sequence[RefChange]) -> None:
        """Apply all changes in one git transaction."""
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                with _told_as_store_errors(self._path):
                    self._refs.run(changes)
            except RefsRefused as refused:
                if not self._may_try_again(str(refused), deadline):
                    raise self._update_error(str(refused), changes) from refused
                time.sleep(0.02)
            else:
                return

    def _may_try_again(self, complaint: str, deadline: float) -> bool:
        """Wait for a lock that is held, and remove one that a killed process left behind."""
        held = _LOCKED.search(complaint)
        if held is None:
            return bool(_PRUNED.search(complaint)) and time.monotonic() < deadline
        with _told_as_store_errors(self._path):
            clear_left_over(self._path, Path(held["lock"]))
        return time.monotonic() < deadline

    def _update_error(self, text: str, changes: Sequence[RefChange]) -> StoreError:
        if held := _LOCKED.search(text):
            return StoreBusy(
                f"another process holds {held['lock']}; try again, and if no git or deltanas "
                f"process is running, `rm {shlex.quote(held['lock'])}`"
            )
        if packed := damage.broken_listing(self._path, text):
            return packed
        if broken := _BROKEN.search(text):
            return self.broken(broken[1], "is broken", remove=f"rm {self._path / broken[1]}")
        if _MOVED.search(text):
            for change in changes:
                self._listed(change.ref)  # one that names what is damaged has not moved
            refs = ", ".join(change.ref for change in changes)
            return StoreBusy(f"another process has written first, so none of {refs} was changed")
        why = text.splitlines()[-1] if text else "git ended without a word"
        free = shutil.disk_usage(self._path).free // 1000
        return StoreError(f"cannot write refs in {self._path}, where {free} kB are free: {why}")

    def maintain(self, progress: Callable[[str], None] = lambda _: None) -> Maintained:
        """Pack refs, objects and history.

        Raises:
            StoreBusy: another process maintains this store.
        """
        with self.exclusive("maintenance"), _told_as_store_errors(self._path):
            clear_all_left_over(self._path)
            with open_writers_file(self._path) as held, writing(held):
                run = functools.partial(self._git, pass_fds=[held.fileno()])
                return maintain(self._path, run, progress)

    def maintain_if_due(self) -> None:
        """Do what `maintain` does once a thousand candidates have come since the last time."""
        if is_due(self._path):
            try:
                self.maintain()
            except StoreError as error:
                logger.warning("the store was not maintained: %s", error)

    @contextmanager
    def exclusive(self, name: str) -> Generator[None]:
        """Hold an advisory lock; the kernel lets go of it when the process ends."""
        with _told_as_store_errors(self._path):
            folder = self._path / "deltanas" / "locks"
            folder.mkdir(parents=True, exist_ok=True)
            file = (folder / f"{name.replace('/', '-')}.lock").open("a+", encoding="utf-8")
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise StoreBusy(
                    f"{name} is in use by {file.read().strip() or 'a process'}"
                ) from None
            with _told_as_store_errors(self._path):
                # Past the buffer: what a full disk refuses would be refused again at the end.
                os.truncate(file.fileno(), 0)
                os.write(file.fileno(), f"process {os.getpid()} on {socket.gethostname()}".encode())
            yield

    def environment(self) -> dict[str, str]:
        """Return the environment in which other commands of git work on this repository."""
        return {**os.environ, **self._repo.git.environment()}

    def _git(self, *args: str, **options: Any) -> str:
        # A session of its own: a Ctrl-C or a kill of our process group must not stop git
        # between two renames.
        return str(self._repo.git.execute(["git", *args], start_new_session=True, **options))


def _text(value: str | bytes) -> str:
    # GitPython declares str and gives bytes.
    return value.decode() if isinstance(value, bytes) else value


def _kind(name: str | bytes, object_id: str) -> Kind:
    match _text(name):
        case "blob" | "tree" | "commit" as kind:
            return kind
        case other:
            raise StoreCorrupt(f"the object {object_id} is a {other}, which no store has")


@contextmanager
def _told_as_store_errors(path: Path) -> Generator[None]:
    """Turn what the file system refuses into one sentence about the store."""
    try:
        yield
    except GitCommandError as error:
        raise StoreError(f"cannot write the store {path}: {last_line(error)}") from error
    except OSError as error:
        raise StoreError(f"cannot write the store {path}: {error.strerror or error}") from error
