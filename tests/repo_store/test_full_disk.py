"""A disk that fills amid a write: one clear error, nothing half done, and all well with room."""

import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deltanas_repo_store.errors import StoreError
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.repository.objects import blob
from deltanas_repo_store.store import Store
from tests.records_for_tests import evaluation, kept, pending
from tests.repo_store.test_index import contents, fill, git, made_anew

LONG = "".join(f"# {number:05d}\n" for number in range(3000))
"""An answer of 24 kB."""
ROOM = (0, 8, 32)
"""KiB that are left; a file of tmpfs takes 4 at least."""
REASON = re.compile(
    "No space left|Out of diskspace|are free|File too large|is full|cannot be used|without a word"
)


def reserve(store: Store) -> None:
    store.reserve(pending(store.resolve("plain"), index=5, answer=LONG))


def finish(store: Store) -> None:
    store.finish(kept(pending(store.resolve("plain"), index=3)))


def measure(store: Store) -> None:
    store.add_evaluation(store.resolve("plain"), evaluation(seed=9))


def begin(store: Store) -> None:
    store.begin_run("later", {"note": LONG})


def write_a_pack(store: Store) -> None:
    store.repository.write_pack([blob(LONG), blob("small")])


def derive(store: Store) -> None:
    rows = [("kind", str(number), "key", bytes(500)) for number in range(50)]
    store.index.write("INSERT OR REPLACE INTO derived VALUES (?, ?, ?, ?)", rows)


def reindex(store: Store) -> None:
    store.index.rebuild()


def drive(store: Store) -> None:
    with store.driving("night"):
        pass


WRITES = [reserve, finish, measure, begin, write_a_pack, derive, reindex, drive]


def state(store: Store) -> tuple[object, ...]:
    """What the store says, whatever its index."""
    return (
        store.entries(),
        store.pending("night"),
        store.runs(),
        store.evaluations(store.resolve("plain")),
    )


def refused(write: Callable[[Store], None], store: Store) -> bool:
    """Try a write, and say whether one clear error was all that came of it."""
    said = ""
    try:
        write(store)
    except StoreError as error:
        said = str(error)
        if len(said.splitlines()) > 1 or not REASON.search(said):
            raise
    return said != ""


def check(path: Path) -> None:
    """The repository is sound, and the index is as the refs are."""
    assert git(path, "fsck", "--strict", "--no-dangling") == ""
    store = Store(GitRepository(path))
    assert contents(store.index) == made_anew(path)
    store.close()


@pytest.fixture
def disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 4 MiB, where this machine lets us mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill_the_disk(disk: Path, write: Callable[[Store], None], room: int, *, opened: bool) -> None:
    path = disk / "store"
    shutil.copytree(disk / "prepared", path)
    store = Store(GitRepository(path))
    before = state(store)
    if not opened:
        store.close()
    filler = disk / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(disk).free - room * 1024))
    was_refused = refused(write, store)
    filler.unlink()
    check(path)
    if was_refused:
        assert state(store) == before
        write(store)
        check(path)
    store.close()
    shutil.rmtree(path)


@pytest.mark.parametrize("write", WRITES)
def test_a_disk_that_fills_amid_a_write(disk: Path, write: Callable[[Store], None]) -> None:
    fill(disk / "prepared")
    for room in ROOM:
        fill_the_disk(disk, write, room, opened=room != ROOM[1])


@pytest.mark.slow
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("opened", [True, False], ids=["opened before", "opened on a full disk"])
def test_a_disk_that_fills_at_any_moment(
    disk: Path, write: Callable[[Store], None], opened: bool
) -> None:
    fill(disk / "prepared")
    for room in range(0, 68, 4):
        fill_the_disk(disk, write, room, opened=opened)


@contextmanager
def no_file_longer_than(size: int) -> Generator[None]:
    """Let no file grow beyond ``size`` bytes: a full disk for those who may not mount one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("write", WRITES)
def test_files_that_cannot_grow(tmp_path: Path, write: Callable[[Store], None]) -> None:
    fill(tmp_path / "prepared")
    for size in (0, 200, 10_000):
        path = tmp_path / f"store-{size}"
        shutil.copytree(tmp_path / "prepared", path)
        store = Store(GitRepository(path))
        before = state(store)
        with no_file_longer_than(size):
            was_refused = refused(write, store)
        check(path)
        if was_refused:
            assert state(store) == before
            write(store)
            check(path)
        store.close()
