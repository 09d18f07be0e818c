"""Stores that exchange what they have: through a bare repository, and with each other."""

import json
import os
import re
import subprocess
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deltanas_repo_store.errors import ConfigError, StoreBusy, StoreError
from deltanas_repo_store.records import Architecture, ArchitectureId
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.sharing import exchange as sharing
from deltanas_repo_store.sharing.merge_plan import Shared
from deltanas_repo_store.sharing.remotes import push_refs
from deltanas_repo_store.store import Store
from tests.records_for_tests import PARENT, evaluation, kept, pending, rejected

OTHER = Architecture(source="width = 99\n", hparams={"lr": 0.1, "batch": 32})


def git(path: Path, *args: str, given: str = "") -> str:
    """Run git with no configuration of the user's or ours, and return what it prints."""
    identity = {
        f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return subprocess.run(
        ["git", "-C", str(path), *args],
        input=given,
        check=True,
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": os.devnull,
            "GIT_CONFIG_GLOBAL": os.devnull,
            **identity,
        },
    ).stdout.strip()


@dataclass
class Peer:
    """A person's store."""

    path: Path
    store: Store
    repository: GitRepository

    def pull(self, remote: "Path | Peer", **options: Any) -> Shared:
        """Pull from another store or repository."""
        return sharing.pull(self.repository, _where(remote), **options)

    def push(self, remote: "Path | Peer", **options: Any) -> Shared:
        """Push to another store or repository."""
        return sharing.push(self.repository, _where(remote), **options)

    def refs(self) -> dict[str, str]:
        """Every ref of the store."""
        return refs_of(self.path)

    def add(
        self, parent: ArchitectureId, index: int, *, run: str = "night", summary: str = "a"
    ) -> None:
        """Keep a candidate."""
        begun = pending(parent, run=run, index=index, summary=summary)
        self.store.reserve(begun)
        self.store.finish(kept(begun))


def _where(remote: "Path | Peer") -> str:
    return str(remote.path if isinstance(remote, Peer) else remote)


def refs_of(path: Path) -> dict[str, str]:
    """Every ref of a repository."""
    lines = git(path, "for-each-ref", "--format=%(refname) %(objectname)").splitlines()
    return dict(line.split(" ") for line in lines)


@pytest.fixture
def peer(tmp_path: Path) -> Generator[Callable[[str], Peer]]:
    opened: list[Store] = []

    def make(name: str) -> Peer:
        create_repository(tmp_path / name)
        repository = GitRepository(tmp_path / name)
        opened.append(Store(repository))
        return Peer(tmp_path / name, opened[-1], repository)

    yield make
    for each in opened:
        each.close()


@pytest.fixture
def anna(peer: Callable[[str], Peer]) -> Peer:
    return peer("anna")


@pytest.fixture
def ben(peer: Callable[[str], Peer]) -> Peer:
    return peer("ben")


@pytest.fixture
def hub(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--bare", "hub")
    return tmp_path / "hub"


def begin(
    peer: Peer, *, run: str = "night", summary: str = "a", candidates: int = 2
) -> ArchitectureId:
    """A baseline with an evaluation, and a run with kept candidates and a rejected one."""
    parent = peer.store.import_baseline("plain", PARENT)
    peer.store.add_evaluation(parent, evaluation())
    peer.store.begin_run(run, {"seed": 1})
    for index in range(1, candidates + 1):
        peer.add(parent, index, run=run, summary=summary)
    refused = pending(parent, run=run, index=candidates + 1, summary=summary)
    peer.store.reserve(refused)
    peer.store.finish(rejected(refused))
    return parent


def commits(refs: Mapping[str, str]) -> set[str]:
    """What a store has, whatever it is called."""
    return {oid for ref, oid in refs.items() if ref.startswith(("refs/heads/", "refs/rejected/"))}


def sound(path: Path) -> bool:
    """Say whether git finds nothing wrong."""
    return git(path, "fsck", "--strict", "--no-dangling", "--connectivity-only") == ""


# Pull and push


def test_a_pull_brings_everything(anna: Peer, ben: Peer) -> None:
    begin(anna)
    shared = ben.pull(anna)
    assert ben.refs() == anna.refs()
    assert ben.store.entries() == anna.store.entries()
    assert (shared.baselines, shared.candidates, shared.runs) == (1, 3, 1)
    assert not shared.renames
    assert not shared.skipped
    assert sound(ben.path)


def test_a_second_pull_changes_nothing(anna: Peer, ben: Peer) -> None:
    begin(anna)
    begin(ben, summary="b")
    ben.pull(anna)
    before = ben.refs()
    assert ben.pull(anna) == Shared()
    assert ben.refs() == before


def test_a_push_to_an_empty_repository_and_a_pull_from_it_make_the_same_store(
    anna: Peer, ben: Peer, hub: Path
) -> None:
    begin(anna)
    pushed = anna.push(hub)
    assert (pushed.baselines, pushed.candidates, pushed.runs) == (1, 3, 1)
    ben.pull(hub)
    assert refs_of(hub) == anna.refs() == ben.refs()
    assert sound(hub)
    assert anna.push(hub) == Shared()


def test_what_was_pushed_can_be_cloned_and_pulled_from(
    anna: Peer, ben: Peer, hub: Path, tmp_path: Path
) -> None:
    begin(anna)
    anna.push(hub)
    git(tmp_path, "clone", "--quiet", "--mirror", str(hub), "copy")
    ben.pull(tmp_path / "copy")
    assert ben.refs() == anna.refs()


def test_a_push_into_another_store_is_seen_by_it(anna: Peer, ben: Peer) -> None:
    begin(anna)
    anna.push(ben)
    assert ben.store.entries() == anna.store.entries()


def test_a_git_remote_of_the_store_can_be_named(anna: Peer, ben: Peer, hub: Path) -> None:
    begin(anna)
    for each in (anna, ben):
        git(each.path, "remote", "add", "hub", str(hub))
    sharing.push(anna.repository, "hub")
    sharing.pull(ben.repository, "hub")
    assert ben.refs() == anna.refs()


def test_work_under_way_is_not_shared(anna: Peer, ben: Peer, hub: Path) -> None:
    parent = begin(anna)
    anna.store.reserve(pending(parent, index=9))
    anna.push(hub)
    ben.pull(anna)
    assert not [ref for ref in (*refs_of(hub), *ben.refs()) if ref.startswith("refs/pending/")]


def test_tags_and_foreign_refs_are_not_fetched(anna: Peer, ben: Peer) -> None:
    parent = begin(anna)
    git(anna.path, "update-ref", "refs/tags/v1", parent)
    git(anna.path, "update-ref", "refs/heads/main", parent)
    ben.pull(anna)
    assert not {"refs/tags/v1", "refs/heads/main"} & set(ben.refs())
    assert not (ben.path / "FETCH_HEAD").exists()


def test_a_dry_run_tells_and_changes_nothing(anna: Peer, ben: Peer, hub: Path) -> None:
    begin(anna)
    assert ben.pull(anna, dry_run=True).candidates == 3
    assert anna.push(hub, dry_run=True).candidates == 3
    assert ben.refs() == refs_of(hub) == {}


# Two people's work


def test_evaluations_added_on_both_sides_are_united(anna: Peer, ben: Peer, hub: Path) -> None:
    parent = begin(anna)
    ben.pull(anna)
    anna.store.add_evaluation(parent, evaluation(seed=2))
    ben.store.add_evaluation(parent, evaluation(seed=3))
    anna.push(hub)
    assert ben.push(hub).evaluations == 1
    shared = anna.pull(hub)
    assert (shared.evaluations, shared.records_merged) == (1, 1)
    ben.pull(hub)
    assert [each.seed for each in anna.store.evaluations(parent)] == [1, 2, 3]
    assert anna.refs() == ben.refs() == refs_of(hub)


def test_two_measurements_under_the_same_conditions_are_both_kept_and_one_counts(
    anna: Peer, ben: Peer
) -> None:
    parent = anna.store.import_baseline("plain", PARENT)
    ben.store.import_baseline("plain", PARENT)
    anna.store.add_evaluation(parent, evaluation(0.8))
    ben.store.add_evaluation(parent, evaluation(0.9))
    anna.pull(ben)
    ben.pull(anna)
    record = "refs/records/baseline/plain"
    assert anna.refs()[record] == ben.refs()[record]
    assert len(git(anna.path, "ls-tree", record).splitlines()) == 2
    [counted] = anna.store.evaluations(parent)
    assert counted in (evaluation(0.8), evaluation(0.9))


def test_a_measurement_that_was_replaced_does_not_come_back(anna: Peer, ben: Peer) -> None:
    parent = begin(anna)
    ben.pull(anna)
    for accuracy in (0.5, 0.6, 0.7):
        anna.store.add_evaluation(parent, evaluation(accuracy))
        anna.pull(ben)
        assert anna.store.evaluations(parent) == (evaluation(accuracy),)
    ben.pull(anna)
    assert ben.store.evaluations(parent) == (evaluation(0.7),)


def test_two_runs_of_one_name_stay_apart(anna: Peer, ben: Peer, hub: Path) -> None:
    begin(anna)
    begin(ben, summary="b", candidates=3)
    theirs = ben.refs()["refs/runs/night"][:6]
    assert anna.pull(ben).renames == (("night", f"night-{theirs}"),)
    assert len(anna.store.entries("night")) == 3
    assert len(anna.store.entries(f"night-{theirs}")) == 4
    assert anna.store.run_config(f"night-{theirs}") == {"seed": 1}
    ben.pull(anna)
    assert commits(anna.refs()) == commits(ben.refs())
    assert sound(anna.path)


def test_pushing_back_what_was_pulled_changes_nothing(anna: Peer, ben: Peer) -> None:
    begin(anna)
    begin(ben, summary="b")
    anna.pull(ben)
    ben.pull(anna)
    before = anna.refs(), ben.refs()
    assert anna.push(ben) == ben.push(anna) == anna.pull(ben) == Shared()
    assert (anna.refs(), ben.refs()) == before


def test_one_baseline_name_for_two_networks(anna: Peer, ben: Peer) -> None:
    anna.store.import_baseline("plain", PARENT)
    other = ben.store.import_baseline("plain", OTHER)
    ben.store.add_evaluation(other, evaluation())
    shared = anna.pull(ben)
    name = f"plain-{other[:6]}"
    assert shared.renames == (("plain", name),)
    assert anna.store.resolve(name) == other
    assert anna.store.evaluations(other) == (evaluation(),)
    assert anna.pull(ben) == Shared()
    ben.pull(anna)
    assert commits(anna.refs()) == commits(ben.refs())


def test_further_names_come_along_and_mean_what_they_meant(anna: Peer, ben: Peer) -> None:
    one, two = anna.store.import_baseline("plain", PARENT), ben.store.import_baseline("wide", OTHER)
    git(anna.path, "update-ref", "refs/aliases/nick", one)
    git(ben.path, "update-ref", "refs/aliases/nick", two)
    git(ben.path, "update-ref", "refs/aliases/own", two)
    anna.pull(ben)
    ben.pull(anna)
    assert (anna.store.resolve("nick"), anna.store.resolve(f"nick-{two[:6]}")) == (one, two)
    assert (ben.store.resolve("nick"), ben.store.resolve(f"nick-{one[:6]}")) == (two, one)
    assert anna.store.resolve("own") == two
    assert anna.pull(ben) == ben.pull(anna) == Shared()


def test_one_run_resumed_by_two_people_keeps_the_candidates_of_both(
    anna: Peer, ben: Peer, hub: Path
) -> None:
    parent = begin(anna)
    ben.pull(anna)
    for index in (4, 5):
        anna.add(parent, index, summary="anna's")
        ben.add(parent, index, summary="ben's")
    ben.add(parent, 6, summary="ben's")
    first = ben.refs()["refs/heads/delta/night/c01-004"][:6]
    assert anna.pull(ben).renames == (("night", f"night-{first}"),)
    beside_it = [each.key.name for each in anna.store.candidates(f"night-{first}")]
    assert beside_it == ["c01-004", "c01-005"]
    assert len(anna.store.candidates("night")) == 6
    assert anna.store.outcome(anna.store.candidates(f"night-{first}")[0].key)
    ben.pull(anna)
    assert commits(anna.refs()) == commits(ben.refs())
    assert anna.pull(ben) == ben.pull(anna) == anna.push(ben) == Shared()
    anna.push(hub)
    assert ben.push(hub) == Shared()
    assert sound(anna.path)


def test_a_slot_kept_here_and_rejected_there_is_both(anna: Peer, ben: Peer) -> None:
    parent = begin(anna)
    ben.pull(anna)
    anna.add(parent, 4)
    begun = pending(parent, index=4)
    ben.store.reserve(begun)
    refused = ben.store.finish(rejected(begun))
    anna.pull(ben)
    assert anna.store.resolve(f"night-{refused[:6]}/c01-004") == refused
    assert "refs/rejected/night/c01-004" not in anna.refs()
    assert anna.pull(ben) == Shared()


def test_a_slot_under_way_here_is_not_taken_from_its_driver(anna: Peer, ben: Peer) -> None:
    parent = begin(anna)
    ben.pull(anna)
    begun = pending(parent, index=4, summary="anna's")
    anna.store.reserve(begun)
    ben.add(parent, 4, summary="ben's")
    anna.pull(ben)
    ben.push(anna)
    anna.store.finish(kept(begun))
    assert anna.pull(ben) == Shared()
    assert len(commits(anna.refs())) == len(commits(ben.refs())) + 1


def test_a_run_that_is_being_driven_gets_no_candidates(anna: Peer, ben: Peer) -> None:
    parent = begin(anna)
    ben.pull(anna)
    ben.add(parent, 4)
    before = anna.refs()
    with anna.store.driving("night"), pytest.raises(StoreBusy, match="run night"):
        anna.pull(ben)
    assert anna.refs() == before


def test_runs_without_an_id_are_one_run_if_they_have_one_name(anna: Peer, ben: Peer) -> None:
    for each, summary in ((anna, "a"), (ben, "b")):
        parent = each.store.import_baseline("plain", PARENT)
        each.add(parent, 1, run="mcp", summary=summary)
    anna.pull(ben)
    ben.pull(anna)
    assert commits(anna.refs()) == commits(ben.refs())
    assert anna.pull(ben) == ben.pull(anna) == Shared()


# Several at once, and failures


def test_two_stores_that_push_at_once_lose_nothing(
    anna: Peer, ben: Peer, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(anna)
    anna.push(hub)
    parent = begin(ben, summary="b")
    anna.store.add_evaluation(parent, evaluation(seed=2))
    ben.store.add_evaluation(parent, evaluation(seed=3))

    def outrun(*args: Any, **options: Any) -> str:
        monkeypatch.setattr("deltanas_repo_store.sharing.exchange.push_refs", push_refs)
        anna.push(hub)
        return push_refs(*args, **options)

    monkeypatch.setattr("deltanas_repo_store.sharing.exchange.push_refs", outrun)
    ben.push(hub)
    anna.pull(hub)
    assert commits(refs_of(hub)) == commits(anna.refs()) >= commits(ben.refs())
    assert [each.seed for each in anna.store.evaluations(parent)] == [1, 2, 3]


def test_others_who_keep_pushing_are_told_of(
    anna: Peer, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = begin(anna)
    count = iter(range(100))

    def outrun(*_: Any, **__: Any) -> str:
        git(hub, "update-ref", f"refs/heads/{next(count)}", commit_of(hub, GOOD))
        return "rejected"

    monkeypatch.setattr("deltanas_repo_store.sharing.exchange.push_refs", outrun)
    with pytest.raises(StoreBusy, match="kept pushing"):
        anna.push(hub)
    assert parent not in refs_of(hub).values()


def test_a_remote_that_takes_nothing_is_told_of_in_its_words(anna: Peer, hub: Path) -> None:
    begin(anna)
    (hub / "hooks").mkdir(exist_ok=True)
    (hub / "hooks/pre-receive").write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    (hub / "hooks/pre-receive").chmod(0o755)
    with pytest.raises(StoreError, match="hook declined"):
        anna.push(hub)
    assert refs_of(hub) == {}


def test_a_remote_without_atomic_pushes_is_pushed_to_all_the_same(anna: Peer, hub: Path) -> None:
    git(hub, "config", "receive.advertiseAtomic", "false")
    begin(anna)
    anna.push(hub)
    assert refs_of(hub) == anna.refs()


def test_a_large_pull_fetches_by_folders(
    anna: Peer, ben: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltanas_repo_store.sharing.exchange.MOST_NAMED", 1)
    begin(anna)
    ben.pull(anna)
    assert ben.refs() == anna.refs()


def test_a_pull_that_ends_in_between_leaves_the_store_as_it_was(
    anna: Peer, ben: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(anna)

    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deltanas_repo_store.sharing.exchange._take_in", interrupt)
    with pytest.raises(KeyboardInterrupt):
        ben.pull(anna)
    assert ben.refs() == {}


def test_what_a_killed_pull_left_is_gone_after_the_next(anna: Peer, ben: Peer) -> None:
    parent = begin(anna)
    ben.store.import_baseline("plain", PARENT)
    git(ben.path, "update-ref", "refs/incoming/0/heads/baseline/x", parent)
    ben.pull(anna)
    assert ben.refs() == anna.refs()


def test_a_writer_in_between_is_planned_round(
    anna: Peer, ben: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = begin(anna)
    ben.store.import_baseline("plain", PARENT)
    real = sharing._update

    def outrun(*args: Any) -> None:
        monkeypatch.setattr("deltanas_repo_store.sharing.exchange._update", real)
        ben.store.add_evaluation(parent, evaluation(seed=5))
        real(*args)

    monkeypatch.setattr("deltanas_repo_store.sharing.exchange._update", outrun)
    ben.pull(anna)
    assert [each.seed for each in ben.store.evaluations(parent)] == [1, 5]


@pytest.mark.parametrize(
    ("remote", "told"),
    [
        pytest.param("nowhere", "git init --bare", id="nothing there"),
        pytest.param("ext::sh -c touch% hacked", "not allowed", id="a command"),
        pytest.param("https://me:secret@localhost:1/x", "unable to access", id="unreachable"),
    ],
)
def test_a_remote_that_cannot_be_read_is_told_of(
    anna: Peer, remote: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for share in (sharing.pull, sharing.push):
        with pytest.raises(StoreError, match=told) as caught:
            share(anna.repository, remote)
        assert "secret" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("remote", ["--upload-pack=touch hacked", "", "a\nb"])
def test_a_remote_that_is_no_name_is_refused(anna: Peer, remote: str) -> None:
    with pytest.raises(ConfigError, match="no remote"):
        sharing.pull(anna.repository, remote)


# Content that nobody vouches for


def commit_of(path: Path, files: Mapping[str, str], *parents: str) -> str:
    """A commit with these files, made with git itself."""
    lines = []
    for name, text in files.items():
        mode, _, name = name.rpartition(":")
        blob = git(path, "hash-object", "-w", "--stdin", given=text)
        lines.append(f"{mode or '100644'} blob {blob}\t{name}\n")
    made = git(path, "mktree", given="".join(lines))
    return git(path, "commit-tree", "-m", "x", *[f"-p{each}" for each in parents], made)


GOOD = {"net.py": "x = 1\n", "hparams.json": "{}\n"}


@pytest.mark.parametrize(
    ("ref", "files", "reason"),
    [
        pytest.param("baseline/a", {"net.py": "x"}, "tree", id="a file is missing"),
        pytest.param("baseline/a", {**GOOD, "x": ""}, "tree", id="a file too many"),
        pytest.param("baseline/a", {**GOOD, "net.py": ""}, "empty", id="no source"),
        pytest.param("baseline/a", {**GOOD, "net.py": "x" * 2**18 + "x"}, "bytes", id="too large"),
        pytest.param("baseline/a", {**GOOD, "hparams.json": "["}, "JSON|Expect", id="no JSON"),
        pytest.param("baseline/a", {**GOOD, "hparams.json": "[" * 10**5}, "recurs", id="deep JSON"),
        pytest.param(
            "baseline/a",
            {"120000:net.py": "/etc/passwd", "hparams.json": "{}"},
            "plain",
            id="a link",
        ),
        pytest.param("baseline/a/b", GOOD, "name", id="a name with two parts"),
        pytest.param("baseline/a@b", GOOD, "name", id="a name with other characters"),
        pytest.param("delta/night/c1-1", GOOD, "name", id="a slot written otherwise"),
        pytest.param("delta/baseline/c01-001", GOOD, "name|called", id="a run called baseline"),
        pytest.param("delta/night/c01-001", GOOD, "not one of this store", id="no trailers"),
    ],
)
def test_a_head_that_is_no_architecture_is_left_out_by_name(
    anna: Peer, hub: Path, ref: str, files: dict[str, str], reason: str
) -> None:
    good = commit_of(hub, GOOD)
    git(hub, "update-ref", "refs/heads/baseline/good", good)
    git(hub, "update-ref", f"refs/heads/{ref}", commit_of(hub, files))
    shared = anna.pull(hub)
    [skipped] = shared.skipped
    assert skipped.name == f"refs/heads/{ref}"
    assert re.search(reason, skipped.reason)
    assert anna.refs() == {"refs/heads/baseline/good": good}


def test_refs_to_other_kinds_of_objects_are_left_out(anna: Peer, hub: Path) -> None:
    good = commit_of(hub, GOOD)
    blob = git(hub, "hash-object", "-w", "--stdin", given="x")
    git(hub, "tag", "-m", "x", "v1", good)
    for ref, object_id in {
        "refs/rejected/night/c01-001": blob,
        "refs/rejected/night/c01-002": git(hub, "rev-parse", "refs/tags/v1"),
        "refs/runs/night": good,
        "refs/runs/blob": blob,
        "refs/records/night/c01-001": good,
        "refs/heads/baseline/child": commit_of(hub, GOOD, good),
        "refs/aliases/nothing": commit_of(hub, {**GOOD, "net.py": "y = 2\n"}),
    }.items():
        git(hub, "update-ref", ref, object_id)
    shared = anna.pull(hub)
    assert len(shared.skipped) == 7
    assert anna.refs() == {}


def test_a_candidate_with_a_bad_ancestor_is_left_out_with_its_record(
    anna: Peer, ben: Peer, hub: Path
) -> None:
    parent = begin(anna, candidates=1)
    anna.push(hub)
    message = git(hub, "log", "-1", "--format=%B", "refs/heads/delta/night/c01-001")
    bad = commit_of(hub, {"evil": ""}, parent)
    tree = git(hub, "rev-parse", "refs/heads/delta/night/c01-001^{tree}")
    child = git(hub, "commit-tree", "-p", bad, "-m", message, tree)
    git(hub, "update-ref", "refs/heads/delta/night/c01-001", child)
    shared = ben.pull(hub)
    assert [each.name for each in shared.skipped] == [
        "refs/heads/delta/night/c01-001",
        "refs/records/night/c01-001",
    ]
    assert "its parent" in shared.skipped[0].reason
    assert ben.store.entry(parent)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("evaluation-x.json", "{}", id="an evaluation that is none"),
        pytest.param("evaluation-x.json", "\xff{", id="not JSON"),
        pytest.param("a b", "", id="a name that no record has"),
        pytest.param("big", "x" * (8 * 2**20 + 1), id="too large a file"),
    ],
)
def test_a_record_that_cannot_be_read_is_left_out_by_name(
    anna: Peer, hub: Path, name: str, text: str
) -> None:
    good = commit_of(hub, GOOD)
    git(hub, "update-ref", "refs/heads/baseline/good", good)
    blob = git(hub, "hash-object", "-w", "--stdin", given=text)
    tree = git(hub, "mktree", given=f"100644 blob {blob}\t{name}\n")
    git(hub, "update-ref", "refs/records/baseline/good", tree)
    shared = anna.pull(hub)
    assert [each.name for each in shared.skipped] == ["refs/records/baseline/good"]
    assert anna.refs() == {"refs/heads/baseline/good": good}


def test_a_candidates_record_without_its_files_is_left_out(anna: Peer, ben: Peer) -> None:
    begin(anna, candidates=1)
    blob = git(anna.path, "hash-object", "-w", "--stdin", given=json.dumps({"applied": True}))
    tree = git(anna.path, "mktree", given=f"100644 blob {blob}\trecord.json\n")
    git(anna.path, "update-ref", "refs/records/night/c01-001", tree)
    [skipped] = ben.pull(anna).skipped
    assert skipped.name == "refs/records/night/c01-001"


def test_a_push_leaves_what_it_cannot_read_there_as_it_is(anna: Peer, hub: Path) -> None:
    parent = begin(anna)
    junk = git(hub, "hash-object", "-w", "--stdin", given="junk")
    git(hub, "update-ref", "refs/records/baseline/plain", junk)
    [skipped] = anna.push(hub).skipped
    assert skipped.name == "refs/records/baseline/plain"
    assert refs_of(hub)["refs/records/baseline/plain"] == junk
    assert refs_of(hub)["refs/heads/baseline/plain"] == parent
