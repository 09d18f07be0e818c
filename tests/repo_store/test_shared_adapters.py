"""Adapters and promotions of two people: pulled, pushed, united, checked."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deltanas_repo_store.adapters import AdapterId, Adapters
from deltanas_repo_store.errors import StoreBusy, StoreCorrupt
from deltanas_repo_store.sharing.merge_plan import Shared
from tests.adapters_for_tests import adapter_folder, record
from tests.repo_store.test_sharing import Peer, anna, begin, ben, git, hub, peer, refs_of, sound

__all__ = ["anna", "ben", "hub", "peer"]


@pytest.fixture
def tuned(tmp_path: Path) -> Callable[..., AdapterId]:
    """Add an adapter to a run of a peer, and promote it; each has other weights."""
    seeds = iter(range(100))

    def add(
        peer: Peer, cycle: int, tuned_from: AdapterId | None = None, *, run: str = "night"
    ) -> AdapterId:
        seed = next(seeds)
        folder = adapter_folder(tmp_path / f"tuned-{seed}", seed=seed)
        shelf = Adapters(peer.store)
        made = shelf.add(run, cycle, folder, record(tuned_from))
        used = shelf.current(run)
        shelf.promote(run, made, expected=used.id if used else None)
        return made

    return add


def used(peer: Peer, run: str = "night") -> AdapterId | None:
    entry = Adapters(peer.store).current(run)
    return entry.id if entry else None


def all_of(peer: Peer) -> set[AdapterId]:
    return {each.id for each in Adapters(peer.store).entries()}


def test_adapters_and_promotions_go_through_a_plain_repository(
    anna: Peer, ben: Peer, hub: Path, tuned: Callable[..., AdapterId], tmp_path: Path
) -> None:
    begin(anna)
    first = tuned(anna, 1)
    second = tuned(anna, 2, first)
    pushed = anna.push(hub)
    assert (pushed.adapters, pushed.promotions) == (2, 2)
    pulled = ben.pull(hub)
    assert (pulled.adapters, pulled.promotions, pulled.skipped) == (2, 2, ())
    assert anna.refs() == ben.refs() == refs_of(hub)
    assert used(ben) == second
    Adapters(ben.store).export(second, tmp_path / "out")
    assert anna.push(hub) == ben.pull(hub) == Shared()
    assert sound(ben.path)


def test_a_run_that_went_on_there_goes_on_here(
    anna: Peer, ben: Peer, tuned: Callable[..., AdapterId]
) -> None:
    begin(anna)
    first = tuned(anna, 1)
    ben.pull(anna)
    second = tuned(anna, 2, first)
    ben.pull(anna)
    assert used(ben) == second
    Adapters(anna.store).roll_back("night")
    ben.pull(anna)
    assert used(ben) == first


def test_adapters_follow_runs_that_get_another_name(
    anna: Peer, ben: Peer, tuned: Callable[..., AdapterId]
) -> None:
    begin(anna)
    begin(ben, summary="b")
    ours, theirs = tuned(anna, 1), tuned(ben, 1)
    [(_, name)] = anna.pull(ben).renames
    assert (used(anna), used(anna, name)) == (ours, theirs)
    assert [each.name for each in Adapters(anna.store).entries(name)] == [f"{name}/c01"]
    assert anna.pull(ben) == Shared()


def test_what_two_people_tuned_in_one_run_stands_side_by_side(
    anna: Peer, ben: Peer, tuned: Callable[..., AdapterId]
) -> None:
    begin(anna)
    shared = tuned(anna, 1)
    ben.pull(anna)
    ours = tuned(anna, 2, shared)
    theirs = [tuned(ben, 2, shared)]
    theirs.append(tuned(ben, 3, theirs[0]))
    anna.pull(ben)
    ben.pull(anna)
    assert all_of(anna) == all_of(ben) == {shared, ours, *theirs}
    [beside] = set(anna.store.runs()) - {"night"}
    assert (used(anna), used(anna, beside)) == (ours, theirs[1])
    [beside] = set(ben.store.runs()) - {"night"}
    assert (used(ben), used(ben, beside)) == (theirs[1], ours)
    Adapters(ben.store).roll_back(beside)
    assert used(ben, beside) == shared
    assert anna.pull(ben).promotions == 1
    assert anna.pull(ben) == ben.pull(anna) == Shared()


def test_a_later_promotion_there_does_not_move_a_run_that_went_another_way(
    anna: Peer, ben: Peer, tuned: Callable[..., AdapterId]
) -> None:
    begin(anna)
    ben.pull(anna)
    ours = tuned(anna, 1)
    for cycle in (1, 2, 3):
        tuned(ben, cycle)
    anna.pull(ben)
    assert used(anna) == ours
    assert len(Adapters(anna.store).promotions("night")) == 1


def test_a_run_that_is_driven_does_not_change_its_adapter(
    anna: Peer, ben: Peer, tuned: Callable[..., AdapterId]
) -> None:
    begin(anna)
    ben.pull(anna)
    tuned(anna, 1)
    with ben.store.driving("night"), pytest.raises(StoreBusy, match="night"):
        ben.pull(anna)
    assert used(ben) is None


# What is not taken in


def commit_of(path: Path, files: dict[str, str], *parents: str, message: str = "x") -> str:
    """Make a commit of any files, and return its id."""
    blobs = {
        name: git(path, "hash-object", "-w", "--stdin", given=text) for name, text in files.items()
    }
    lines = "".join(f"100644 blob {blob}\t{name}\n" for name, blob in blobs.items())
    tree = git(path, "mktree", given=lines)
    options = [part for parent in parents for part in ("-p", parent)]
    return git(path, "commit-tree", tree, *options, given=message)


def message_of(peer: Peer, adapter: AdapterId) -> str:
    return git(peer.path, "log", "-1", "--format=%B", adapter)


GOOD = {"adapter_model.safetensors": "x", "adapter_config.json": "{}", "manifest.json": "{}"}


def test_a_commit_that_is_no_adapter_is_left_out_with_all_that_was_tuned_from_it(
    anna: Peer, ben: Peer, tuned: Callable[..., AdapterId]
) -> None:
    begin(anna)
    first = tuned(anna, 1)
    wrong = {
        "c02": ({"net.py": "x"}, "its tree is not that of an adapter"),
        "c03": ({**GOOD, "adapter_model.bin": "x"}, "its tree is not that of an adapter"),
        "c04": ({**GOOD, "manifest.json": "["}, "its manifest.json is not as an adapter has it"),
        "c05": ({**GOOD, "adapter_config.json": " " * 1024**2 + "{}"}, "is a blob of 1048578"),
    }
    for name, (files, _) in wrong.items():
        evil = commit_of(anna.path, files, message=message_of(anna, first))
        git(anna.path, "update-ref", f"refs/adapters/night/{name}", evil)
    child = commit_of(anna.path, GOOD, evil, message=message_of(anna, first))
    git(anna.path, "update-ref", "refs/adapters/night/c06", child)
    skipped = {each.name.rpartition("/")[2]: each.reason for each in ben.pull(anna).skipped}
    assert set(skipped) == {*wrong, "c06"}
    assert all(told in skipped[name] for name, (_, told) in wrong.items())
    assert skipped["c06"].startswith("its parent: its adapter_config.json")
    assert all_of(ben) == {first}


def test_what_is_no_adapter_for_other_reasons_is_left_out(
    anna: Peer, ben: Peer, tuned: Callable[..., AdapterId]
) -> None:
    parent = begin(anna)
    first, second = tuned(anna, 1), tuned(anna, 2)
    message = message_of(anna, first)
    promotion = '{"adapter": "%s", "beneath": [], "made": 0, "reason": ""}'
    blob = git(anna.path, "hash-object", "-w", "--stdin", given=promotion % ("0" * 40))
    wrong = {
        "adapters/night/c03": commit_of(anna.path, GOOD),
        "adapters/night/c04": commit_of(anna.path, GOOD, parent, message=message),
        "adapters/night/c05": commit_of(anna.path, GOOD, first, second, message=message),
        "adapters/night/c06": blob,
        "adapters/night/current": first,
        "adapters/night/c07-001": first,
        "promotions/night/p003": blob,
        "promotions/night/p004": first,
        "promotions/night/p5": blob,
        "promotions/night/p000": blob,
    }
    for name, object_id in wrong.items():
        git(anna.path, "update-ref", f"refs/{name}", object_id)
    skipped = {each.name.removeprefix("refs/") for each in ben.pull(anna).skipped}
    assert skipped == set(wrong)
    assert all_of(ben) == {first, second}
    assert used(ben) == second


def test_weights_that_are_none_are_found_when_they_are_to_be_used(
    anna: Peer, ben: Peer, tuned: Callable[..., AdapterId], tmp_path: Path
) -> None:
    begin(anna)
    message = message_of(anna, tuned(anna, 1))
    evil = AdapterId(commit_of(anna.path, GOOD, message=message))
    git(anna.path, "update-ref", "refs/adapters/night/c02", evil)
    ben.pull(anna)
    with pytest.raises(StoreCorrupt, match="no safetensors"):
        Adapters(ben.store).export(evil, tmp_path / "out")
    assert not (tmp_path / "out").exists()
