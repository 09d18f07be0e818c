"""A write that is killed before any system call loses nothing, and leaves nothing half done."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import pytest

from deltanas_repo_store.bulk import import_baselines
from deltanas_repo_store.errors import ConfigError, StoreBusy
from deltanas_repo_store.queries import Wanted, leaderboard
from deltanas_repo_store.records import CandidateKey
from deltanas_repo_store.repository import ref_locks, ref_updates
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.store import Store
from tests.killing_for_tests import WRITES, Killer, networks
from tests.records_for_tests import CHILD, evaluation, kept, pending, rejected
from tests.repo_store.test_index import ROOT, contents, fill, git, made_anew

MOMENTS = 4
"""Of each write and way of killing, in the fast tests."""


@pytest.fixture(scope="module")
def killer() -> Generator[Killer]:
    with Killer() as started:
        yield started


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, killer: Killer) -> Path:
    """A store to copy, on a machine where a process may trace another."""
    folder = tmp_path_factory.mktemp("prepared")
    fill(folder / "store")
    git(folder / "store", "pack-refs", "--all")
    shutil.copytree(folder / "store", folder / "tried")
    try:
        changes, acknowledged = killer.run("begin", folder / "tried")
    except PermissionError as error:
        pytest.skip(f"this machine lets no process trace another: {error}")
    assert (changes > 20, acknowledged) == (True, 1)
    return folder / "store"


def check_candidate(store: Store, acknowledged: int, end: type, index: int = 5) -> None:
    """A candidate is not there, pending or finished: as far as was acknowledged, or one further."""
    key = CandidateKey(run="night", cycle=1, index=index)
    begun = pending(store.resolve("plain"), index=index)
    finished = key in [each.key for each in store.candidates("night")]
    waits = key in [each.key for each in store.pending("night")]
    assert not (finished and waits)
    stage = 2 if finished else 1 if waits else 0
    assert stage in (acknowledged, acknowledged + 1)
    if finished:
        assert store.outcome(key) == end(begun)
        assert end is rejected or store.evaluations(store.resolve(f"night/{key.name}"))
    if stage == 0:
        store.reserve(begun)
    if stage <= 1:
        store.finish(end(begun))
    assert store.outcome(key) == end(begun)
    assert key not in [each.key for each in store.pending("night")]


def check(write: str, store: Store, acknowledged: int) -> None:
    """What was acknowledged is there; the rest can be done at once."""
    if write in ("keep", "reject"):
        check_candidate(store, acknowledged, kept if write == "keep" else rejected)  # type: ignore[arg-type]
    elif write == "finish":
        check_candidate(store, acknowledged + 1, kept, index=3)  # type: ignore[arg-type]
    elif write == "evaluate":
        plain = store.resolve("plain")
        seeds = [each.seed for each in store.evaluations(plain)]
        assert seeds in ([1, 7, 8][: acknowledged + 1], [1, 7, 8][: acknowledged + 2])
        for seed in (7, 8):
            store.add_evaluation(plain, evaluation(seed=seed))
        assert store.evaluations(plain) == tuple(evaluation(seed=seed) for seed in (1, 7, 8))
    elif write == "begin":
        if "later" in store.runs():
            with pytest.raises(ConfigError, match="later"):
                store.begin_run("later", {"seed": 2})
        else:
            assert acknowledged == 0
            store.begin_run("later", {"seed": 2})
        assert store.run_config("later") == {"seed": 2}
    elif write == "bulk":
        there = {each.name for each in store.baselines()}
        reported = [each.name for each in leaderboard(store, Wanted(source="lemur"))]
        assert set(reported) == {each for each in there if each.startswith("their")}
        assert len(reported) == 3 or acknowledged == 0
        import_baselines(store, networks())
        assert len(leaderboard(store, Wanted(source="lemur"))) == 3
        assert store.get(store.resolve("other2")) == networks()[2].architecture
    elif write == "maintain":
        assert store.outcome(CandidateKey(run="day", cycle=1, index=1))
        assert isinstance(store.repository, GitRepository)
        store.repository.maintain()
    else:
        names = [each.name for each in store.baselines()]
        assert "late" in names or acknowledged == 0
        assert store.get(store.import_baseline("late", CHILD)) == CHILD


def kill_and_check(killer: Killer, prepared: Path, write: str, at: int, both: bool) -> None:
    path = prepared.with_name(f"{write}-killed-at-{at}")
    shutil.copytree(prepared, path)
    _, acknowledged = killer.run(write, path, at=at, children_too=both)
    assert git(path, "fsck", "--strict", "--no-dangling") == ""
    store = Store(GitRepository(path))
    assert contents(store.index) == made_anew(path)
    check(write, store, acknowledged)
    assert contents(store.index) == made_anew(path)
    assert len(store.candidates("day")) == 2
    store.close()
    assert git(path, "fsck", "--strict", "--no-dangling") == ""
    shutil.rmtree(path)


def number_of_changes(killer: Killer, prepared: Path, write: str) -> int:
    path = prepared.with_name("counted")
    shutil.copytree(prepared, path)
    changes, _ = killer.run(write, path)
    shutil.rmtree(path)
    return changes


BOTH = pytest.mark.parametrize("both", [True, False], ids=["with its gits", "alone"])


@pytest.mark.parametrize(
    "both",
    [
        pytest.param(True, id="with its gits"),
        pytest.param(False, id="alone", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("write", WRITES)
def test_a_write_killed_at_some_moments(
    killer: Killer, prepared: Path, monkeypatch: pytest.MonkeyPatch, write: str, both: bool
) -> None:
    monkeypatch.setattr(ref_locks, "LEFT_OVER_SECONDS", 0.01)
    changes = number_of_changes(killer, prepared, write)
    for at in random.Random(f"{write} {both}").sample(range(1, changes + 1), MOMENTS):
        kill_and_check(killer, prepared, write, at, both)


@pytest.mark.slow
@BOTH
@pytest.mark.parametrize("write", WRITES)
def test_a_write_killed_at_every_moment(
    killer: Killer, prepared: Path, monkeypatch: pytest.MonkeyPatch, write: str, both: bool
) -> None:
    monkeypatch.setattr(ref_locks, "LEFT_OVER_SECONDS", 0.01)
    for at in range(1, number_of_changes(killer, prepared, write) + 1):
        kill_and_check(killer, prepared, write, at, both)


# Locks


def left_over(path: Path, name: str, age: float) -> Path:
    """A lock of git's that nobody holds."""
    lock = path / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    then = time.time() - age
    os.utime(lock, (then, then))
    return lock


@pytest.fixture
def store(tmp_path: Path) -> Generator[Store]:
    fill(tmp_path / "store")
    opened = Store(GitRepository(tmp_path / "store"))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "name",
    [
        "refs/heads/delta/night/c01-005.lock",
        "refs/records/night/c01-005.lock",
        "refs/pending/night/c01-005.lock",
        "packed-refs.lock",
        "packed-refs.new",
        "HEAD.lock",
    ],
)
def test_a_lock_that_is_left_over_stops_nobody(store: Store, tmp_path: Path, name: str) -> None:
    path = tmp_path / "store"
    git(path, "pack-refs", "--all")
    git(path, "symbolic-ref", "HEAD", "refs/heads/delta/night/c01-005")
    begun = pending(store.resolve("plain"), index=5)
    store.reserve(begun)
    git(path, "pack-refs", "--all")
    left_over(path, name, ref_locks.LEFT_OVER_SECONDS + 0.5)
    store.finish(kept(begun))
    assert store.outcome(begun.key) == kept(begun)
    assert not (path / name).exists()


def test_a_lock_just_left_over_costs_a_second(store: Store, tmp_path: Path) -> None:
    lock = left_over(tmp_path / "store", "refs/runs/later.lock", 0)
    store.begin_run("later", {})
    assert not lock.exists()


def test_a_lock_is_not_left_over_while_a_writer_of_ours_is_at_work(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltanas_repo_store.repository.git.LOCK_PATIENCE_SECONDS", 0.1)
    lock = left_over(tmp_path / "store", "refs/runs/later.lock", 3600)
    with (
        ref_locks.open_writers_file(tmp_path / "store") as held,
        ref_locks.writing(held),
        pytest.raises(StoreBusy, match=r"refs/runs/later\.lock") as caught,
    ):
        store.begin_run("later", {})
    assert lock.exists()
    [remedy] = str(caught.value).split("`")[1::2]
    subprocess.run(remedy, shell=True, check=True)
    store.begin_run("later", {})


def test_a_lock_is_not_left_over_while_a_git_that_may_have_made_it_runs(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    foreign = subprocess.Popen(
        ["git", "-C", str(path), "update-ref", "--stdin"], stdin=-1, stdout=-1
    )
    assert foreign.stdin is not None
    assert foreign.stdout is not None
    foreign.stdin.write(b"start\n")
    foreign.stdin.flush()
    foreign.stdout.readline()  # it has become git: before, it is a copy of this process
    lock = left_over(path, "refs/runs/later.lock", ref_locks.LEFT_OVER_SECONDS)
    try:
        ref_locks.clear_left_over(path, lock)
        assert lock.exists()
    finally:
        foreign.communicate()
    ref_locks.clear_left_over(path, lock)
    assert not lock.exists()


def test_a_lock_of_a_writer_whose_git_lives_on_is_not_left_over(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from deltanas_repo_store.repository import ref_locks\n"
        "import subprocess\n"
        "held = ref_locks.open_writers_file(Path(sys.argv[1]))\n"
        "with ref_locks.writing(held):\n"
        "    child = subprocess.Popen(['sleep', '60'], pass_fds=[held.fileno()], stdout=-3)\n"
        "    print(child.pid, flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", program, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    child = int(writer.communicate()[0])
    lock = left_over(path, "refs/runs/later.lock", 3600)
    ref_locks.clear_left_over(path, lock)
    assert lock.exists()
    os.kill(child, signal.SIGKILL)
    while Path(f"/proc/{child}").exists():
        time.sleep(0.01)
    ref_locks.clear_left_over(path, lock)
    assert not lock.exists()


def test_an_interrupted_transaction_is_not_taken_for_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = ref_updates._done

    def interrupted(process: subprocess.Popen[bytes], script: bytes) -> bool:
        assert process.stdin is not None
        process.stdin.write(script)
        process.stdin.flush()
        raise KeyboardInterrupt

    monkeypatch.setattr(ref_updates, "_done", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.begin_run("first", {})
    monkeypatch.setattr(ref_updates, "_done", exact)
    store.begin_run("second", {})
    with pytest.raises(ConfigError):
        store.begin_run("second", {})
    assert set(store.runs()) <= {"day", "first", "night", "second"}
