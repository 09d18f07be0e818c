"""Maintenance makes a store small, and changes nothing that can be asked of it."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from deltanas_repo_store.errors import StoreBusy
from deltanas_repo_store.records import Architecture
from deltanas_repo_store.repository import git as git_repository
from deltanas_repo_store.repository import maintenance
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.repository.maintenance import LEFT_OVER_SECONDS
from deltanas_repo_store.repository.objects import blob
from deltanas_repo_store.store import Store
from tests.records_for_tests import PARENT, kept, pending, rejected


def fill(store: Store, count: int, *, run: str = "night") -> None:
    parent = store.import_baseline("plain", PARENT)
    for index in range(1, count + 1):
        begun = pending(parent, run=run, index=index)
        store.reserve(begun)
        if index % 3:
            made = Architecture(source=f"width = {index}\n", hparams=PARENT.hparams)
            store.finish(kept(begun, architecture=made))
        else:
            store.finish(rejected(begun))


def repository_of(store: Store) -> GitRepository:
    assert isinstance(store.repository, GitRepository)
    return store.repository


def git(path: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(path), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def test_everything_is_there_afterwards(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    fill(store, 9)
    before = (store.entries(), [store.outcome(each.key) for each in store.candidates("night")])
    done = repository_of(store).maintain()
    assert done.loose_after == 0
    again = (store.entries(), [store.outcome(each.key) for each in store.candidates("night")])
    assert again == before
    assert "error" not in git(path, "fsck", "--strict")


def test_slices_are_merged(git_store: tuple[Path, Store]) -> None:
    _, store = git_store
    for number in range(12):
        fill(store, 3, run=f"r{number}")
        done = repository_of(store).maintain()
    assert done.packs < 6


def test_an_object_that_no_ref_has_is_kept(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    fill(store, 3)
    repository_of(store).maintain()
    deleted = store.resolve("night/c01-001")
    git(path, "update-ref", "-d", "refs/heads/delta/night/c01-001")
    lonely = blob("nobody has this")
    store.repository.write([lonely])
    for number in range(4):
        fill(store, 3, run=f"r{number}")
        repository_of(store).maintain()
    assert store.repository.read(deleted).kind == "commit"
    assert store.repository.read(lonely.id) == lonely


def test_one_process_maintains_at_a_time(git_store: tuple[Path, Store]) -> None:
    path, _ = git_store
    one, two = GitRepository(path), GitRepository(path)
    with one.exclusive("maintenance"), pytest.raises(StoreBusy):
        two.maintain()
    one.close()
    two.close()


def test_only_what_is_a_day_old_is_taken_for_left_over(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    fill(store, 1)
    folder = next(each for each in (path / "objects").iterdir() if len(each.name) == 2)
    old, new = folder / "tmp_obj_old", folder / "tmp_obj_new"
    for each in (old, new):
        each.write_bytes(b"")
    past = time.time() - LEFT_OVER_SECONDS - 60
    os.utime(old, (past, past))
    assert repository_of(store).maintain().removed == 1
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize(("files", "due"), [(0, False), (20, False), (40, True)])
def test_about_a_thousand_candidates_make_it_due(
    git_store: tuple[Path, Store], files: int, due: bool
) -> None:
    path, _ = git_store
    (path / "objects" / "17").mkdir()
    for number in range(files):
        (path / "objects" / "17" / f"{number:038x}").touch()
    assert maintenance.is_due(path) is due


def test_a_candidate_that_makes_it_due_starts_it(
    git_store: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = git_store
    monkeypatch.setattr(git_repository, "is_due", lambda path: True)
    fill(store, 1)
    assert len(list((path / "objects" / "pack").glob("*.pack"))) == 1


def test_maintenance_that_fails_does_not_fail_the_candidate(
    git_store: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store = git_store
    monkeypatch.setattr(git_repository, "is_due", lambda path: True)
    monkeypatch.setattr(maintenance, "STEPS", (("nonsense", ("no-such-command",)),))
    fill(store, 2)
    assert len(store.candidates("night")) == 2


def test_an_import_of_many_packs_makes_it_due(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    for number in range(maintenance.MOST_PACKS + 1):
        assert not maintenance.is_due(path)
        store.repository.write_pack([blob(f"network {number}")])
    assert maintenance.is_due(path)
    repository_of(store).maintain()
    assert not maintenance.is_due(path)
