"""What holds of the store as a git repository, seen with git's own eyes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from deltanas_repo_store.errors import StoreBusy, StoreCorrupt, StoreError
from deltanas_repo_store.repository import RefChange
from deltanas_repo_store.repository.git import FORMAT, GitRepository, create_repository
from deltanas_repo_store.repository.objects import blob
from deltanas_repo_store.repository.ref_locks import STALE_LOCK_SECONDS
from deltanas_repo_store.store import Store
from tests.records_for_tests import CHILD, DELTA, PARENT, evaluation, kept, pending, rejected


def git(path: Path, *args: str) -> str:
    """Run git with no configuration of the user's or ours, and return what it prints."""
    return subprocess.run(
        ["git", "-C", str(path), *args],
        check=True,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull},
    ).stdout


def fill(store: Store) -> None:
    """One baseline, one kept and one rejected candidate, and a pending one."""
    parent = store.import_baseline("plain", PARENT)
    store.add_evaluation(parent, evaluation())
    store.begin_run("night", {"seed": 1})
    for index, end in ((1, kept), (2, rejected)):
        begun = pending(parent, index=index)
        store.reserve(begun)
        store.finish(end(begun))
    store.reserve(pending(parent, index=3))


def test_the_log_shows_the_lineage_with_accuracies(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    fill(store)
    subjects = git(path, "log", "--graph", "--oneline", "--all", "--format=%s")
    assert "* Widen the stem · digits 0.9000 (+0.0500)" in subjects
    assert "Widen the stem · rejected: not-found" in subjects
    assert "Baseline plain" in subjects


def test_showing_a_candidate_shows_exactly_its_delta(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    fill(store)
    shown = git(path, "show", "--format=", "delta/night/c01-001")
    assert shown.split("\n", 2)[2] == DELTA


def test_the_repository_is_sound_for_fsck(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    fill(store)
    assert git(path, "fsck", "--strict", "--no-dangling") == ""


def test_a_mirror_is_the_same_store(git_store: tuple[Path, Store], tmp_path: Path) -> None:
    path, store = git_store
    fill(store)
    git(tmp_path, "clone", "--quiet", "--mirror", str(path), "copy")
    git(tmp_path / "copy", "config", "deltanas.format", FORMAT)
    copy = Store(GitRepository(tmp_path / "copy"))
    assert copy.entries() == store.entries()
    assert copy.pending("night") == store.pending("night")
    copy.close()


def test_the_store_still_answers_after_git_packed_it(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    fill(store)
    before = store.entries()
    git(path, "gc", "--quiet", "--prune=now")
    assert store.entries() == before
    assert store.get(store.resolve("night/c01-001")) == CHILD


def test_authors_are_the_proposers(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    fill(store)
    assert "2\tmutation" in git(path, "shortlog", "--all", "--summary", "--numbered")


def test_eight_processes_writing_at_once_lose_nothing(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    store.import_baseline("plain", PARENT)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from deltanas_repo_store.repository.git import GitRepository\n"
        "from deltanas_repo_store.store import Store\n"
        "from tests.records_for_tests import kept, pending\n"
        "store = Store(GitRepository(Path(sys.argv[1])))\n"
        "parent = store.resolve('plain')\n"
        "for index in range(1, 9):\n"
        "    begun = pending(parent, run=sys.argv[2], index=index)\n"
        "    store.reserve(begun)\n"
        "    store.finish(kept(begun))\n"
        "store.close()\n"
    )
    root = Path(__file__).parents[2]
    writers = [
        subprocess.Popen([sys.executable, "-c", program, str(path), f"run{n}"], cwd=root)
        for n in range(8)
    ]
    assert [writer.wait(120) for writer in writers] == [0] * 8
    assert len(store.entries()) == 1 + 8 * 8
    assert git(path, "fsck", "--no-dangling") == ""


def test_two_processes_finishing_one_candidate_leave_one(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    begun = pending(store.import_baseline("plain", PARENT))
    store.reserve(begun)
    other = Store(GitRepository(path))
    other.finish(rejected(begun))
    with pytest.raises(StoreBusy, match="another process"):
        store.finish(kept(begun))
    assert len(store.entries("night")) == 1
    other.close()


def test_a_driver_in_another_process_is_named(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    other = Store(GitRepository(path))
    with (
        store.driving("night"),
        pytest.raises(StoreBusy, match=f"process {os.getpid()}"),
        other.driving("night"),
    ):
        pass
    other.close()


@pytest.mark.parametrize("lock", ["refs/heads/x.lock", "packed-refs.lock"])
def test_a_lock_left_by_a_killed_process_is_cleared(
    git_store: tuple[Path, Store], lock: str
) -> None:
    path, store = git_store
    one = blob("1")
    repository = GitRepository(path)
    repository.write([one])
    repository.update([RefChange("refs/heads/y", None, store.import_baseline("p", PARENT))])
    (path / lock).touch()
    old = (path / lock).stat().st_mtime - STALE_LOCK_SECONDS - 1
    os.utime(path / lock, (old, old))
    baseline = store.resolve("p")
    repository.update(
        [RefChange("refs/heads/x", None, baseline), RefChange("refs/heads/y", baseline, None)]
    )
    assert set(repository.refs("refs/heads")) == {"refs/heads/baseline/p", "refs/heads/x"}
    repository.close()


def test_a_lock_that_is_held_says_which(
    git_store: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = git_store
    monkeypatch.setattr("deltanas_repo_store.repository.git.LOCK_PATIENCE_SECONDS", 0.1)
    (path / "refs/heads/baseline").mkdir()
    (path / "refs/heads/baseline/plain.lock").touch()
    with pytest.raises(StoreBusy, match=r"plain\.lock"):
        store.import_baseline("plain", PARENT)
    assert store.entries() == ()


def test_a_missing_store_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="deltanas init"):
        GitRepository(tmp_path / "nothing")


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="not a git repository"):
        GitRepository(tmp_path)


def test_somebody_elses_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "theirs")
    with pytest.raises(StoreError, match="not a DeltaNAS store"):
        GitRepository(tmp_path / "theirs")


def test_a_work_tree_inside_a_store_like_repository_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "theirs")
    with pytest.raises(StoreError, match="not a DeltaNAS store"):
        GitRepository(tmp_path / "theirs")


def test_a_store_of_a_later_format_is_refused(git_store: tuple[Path, Store]) -> None:
    path, _ = git_store
    git(path, "config", "deltanas.format", "99")
    with pytest.raises(StoreError, match="format 99"):
        GitRepository(path)


def test_a_store_is_not_made_where_something_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(StoreError, match="not empty"):
        create_repository(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    "content",
    [pytest.param("garbage\n", id="garbage"), pytest.param("1" * 40 + "\n", id="a missing object")],
)
def test_a_corrupt_ref_is_named_with_the_way_to_mend_it(
    git_store: tuple[Path, Store], content: str
) -> None:
    path, store = git_store
    fill(store)
    (path / "refs/heads/delta/night/c01-009").write_text(content)
    with pytest.raises(StoreCorrupt) as caught:
        store.entries()
    assert "refs/heads/delta/night/c01-009" in str(caught.value)
    remedy = str(caught.value).split("`")[1]
    subprocess.run(remedy, shell=True, check=True)
    assert len(store.entries()) == 3


def test_a_damaged_object_is_reported(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    baseline = store.import_baseline("plain", PARENT)
    object_id = blob(PARENT.source).id
    damaged = path / "objects" / object_id[:2] / object_id[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"not zlib")
    with pytest.raises(StoreCorrupt, match="update-ref -d refs/heads/baseline/plain"):
        store.get(baseline)


def test_the_callers_git_environment_does_not_redirect_the_store(
    git_store: tuple[Path, Store], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = git_store
    git(tmp_path, "init", "--quiet", "--bare", "elsewhere")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere" / "objects"))
    store = Store(GitRepository(path))
    store.import_baseline("plain", PARENT)
    store.close()
    monkeypatch.undo()
    assert "refs/heads/baseline/plain" in git(path, "for-each-ref")
    assert git(tmp_path / "elsewhere", "for-each-ref") == ""


def test_hooks_of_the_user_do_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "reference-transaction").write_text("#!/bin/sh\nexit 1\n")
    (hooks / "reference-transaction").chmod(0o755)
    configuration = tmp_path / "gitconfig"
    configuration.write_text(f"[core]\n\thooksPath = {hooks}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    create_repository(tmp_path / "store")
    store = Store(GitRepository(tmp_path / "store"))
    store.import_baseline("plain", PARENT)
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 2 MiB, where this machine lets us mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_leaves_the_store_as_it_was(small_disk: Path) -> None:
    create_repository(small_disk / "store")
    store = Store(GitRepository(small_disk / "store"))
    parent = store.import_baseline("plain", PARENT)
    begun = pending(parent)
    store.reserve(begun)
    before = store.entries(), store.pending("night")
    filler = small_disk / "filler"
    subprocess.run(["dd", "if=/dev/zero", f"of={filler}", "bs=4096"], capture_output=True)
    with pytest.raises(StoreError, match="No space left on device"):
        store.finish(kept(begun))
    assert (store.entries(), store.pending("night")) == before
    filler.unlink()
    store.finish(kept(begun))
    assert git(small_disk / "store", "fsck", "--no-dangling") == ""
    store.close()


def test_a_read_only_store_can_be_read_and_says_why_it_is_not_written(small_disk: Path) -> None:
    create_repository(small_disk / "store")
    store = Store(GitRepository(small_disk / "store"))
    baseline = store.import_baseline("plain", PARENT)
    store.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    store = Store(GitRepository(small_disk / "store"))
    assert [each.id for each in store.entries()] == [baseline]
    assert store.get(baseline) == PARENT
    with pytest.raises(StoreError, match="Read-only file system"):
        store.import_baseline("child", CHILD)
    with pytest.raises(StoreError, match="Read-only file system"):
        create_repository(small_disk / "another")
    store.close()
