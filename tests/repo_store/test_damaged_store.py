"""Objects and refs that a disk has lost a part of: each command works, or says what is wrong.

A message names what is broken, and the command in it mends the store when it is run as it stands.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deltanas_repo_store.errors import ConfigError, StoreCorrupt, StoreError, UnknownArchitecture
from deltanas_repo_store.queries import ancestors, leaderboard
from deltanas_repo_store.records import CandidateKey
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.repository.objects import blob
from deltanas_repo_store.store import Store
from tests.records_for_tests import PARENT, evaluation, kept, pending
from tests.repo_store.test_index import contents, fill, git, made_anew

KEY = CandidateKey(run="night", cycle=1, index=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    fill(tmp_path / "store")
    return tmp_path / "store"


def loose(path: Path, object_id: str) -> Path:
    """The file of an object."""
    return path / "objects" / object_id[:2] / object_id[2:]


def emptied(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(b"")


def cut(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-7])


def zeroed(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(bytes(file.stat().st_size))


def removed(file: Path) -> None:
    file.unlink()


DAMAGES = [
    cut,
    *(pytest.param(each, marks=pytest.mark.slow) for each in (emptied, zeroed, removed)),
]
COMMANDS: dict[str, Callable[[Store], object]] = {
    "entries": lambda store: store.entries(),
    "get": lambda store: store.get(store.resolve("night/c01-001")),
    "get baseline": lambda store: store.get(store.resolve("plain")),
    "get by id": lambda store: [store.get(each.id) for each in store.entries()],
    "outcome": lambda store: store.outcome(KEY),
    "evaluations": lambda store: store.evaluations(store.resolve("plain")),
    "measure": lambda store: store.add_evaluation(store.resolve("plain"), evaluation(seed=9)),
    "pending": lambda store: store.pending("night"),
    "run": lambda store: store.run_config("night"),
    "board": lambda store: leaderboard(store),
    "lineage": lambda store: [ancestors(store, each.id) for each in store.entries()],
    "finish": lambda store: store.finish(kept(pending(store.resolve("plain"), index=3))),
    "reserve": lambda store: store.reserve(pending(store.resolve("plain"), index=7)),
    "begin": lambda store: store.begin_run("later", {}),
    "reindex": lambda store: store.index.rebuild(),
}
OBJECTS = {
    "a baseline's commit": "refs/heads/baseline/plain",
    "a baseline's tree": "refs/heads/baseline/plain^{tree}",
    "a baseline's source": "refs/heads/baseline/plain:net.py",
    "a candidate's commit": "refs/heads/delta/night/c01-001",
    "a record": "refs/records/night/c01-001",
    "a record's file": "refs/records/night/c01-001:record.json",
    "an evaluation": "refs/records/baseline/plain:evaluation-digits-search-e1-s1.json",
    "a baseline's record": "refs/records/baseline/plain",
    "what is pending": "refs/pending/night/c01-003",
    "a run": "refs/runs/night",
    "a run's configuration": "refs/runs/night:run.json",
}


def works_or_says_why(path: Path, command: str, names: tuple[str, ...], tries: int = 4) -> None:
    """Run a command, and what its messages say, until it is done."""
    for _ in range(tries):
        store = Store(GitRepository(path))
        try:
            COMMANDS[command](store)
        except UnknownArchitecture:
            return  # it was dropped, as the message said
        except StoreError as error:
            said = str(error)
            if "is not pending" in said:
                return
            if "`" not in said or (isinstance(error, StoreCorrupt) and not any_of(names, said)):
                raise
        except ConfigError:
            return  # as above: a run
        else:
            return
        finally:
            store.close()
        subprocess.run(said.split("`")[1], shell=True, check=True, capture_output=True)
    pytest.fail(f"{command} is not mended by what it says: {said}")


def any_of(names: tuple[str, ...], said: str) -> bool:
    return any(name in said for name in names)


@pytest.mark.parametrize("indexed", [True, False], ids=["indexed", "without an index"])
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("what", OBJECTS)
def test_a_damaged_object_is_named_and_what_the_message_says_mends_it(
    path: Path, what: str, damage: Callable[[Path], None], indexed: bool
) -> None:
    object_id = git(path, "rev-parse", OBJECTS[what]).strip()
    damage(loose(path, object_id))
    if not indexed:
        (path / "deltanas" / "index.sqlite").unlink()
    for command in COMMANDS:
        works_or_says_why(path, command, (object_id,))
    store = Store(GitRepository(path))
    assert contents(store.index) == made_anew(path)
    store.close()


@pytest.mark.parametrize("damage", [emptied, cut, zeroed])
def test_an_object_that_is_written_again_is_mended(
    path: Path, damage: Callable[[Path], None]
) -> None:
    content = blob(PARENT.source)
    damage(loose(path, content.id))
    repository = GitRepository(path)
    repository.write([content])
    assert repository.read(content.id) == content
    repository.close()
    assert git(path, "fsck", "--strict", "--no-dangling") == ""


@pytest.mark.parametrize("part", [0, 11, 400, -1])
@pytest.mark.parametrize("suffix", ["pack", "idx"])
def test_a_pack_that_is_cut_short_is_one_clear_error(path: Path, suffix: str, part: int) -> None:
    git(path, "gc", "--quiet", "--prune=now")
    [packed] = (path / "objects" / "pack").glob(f"*.{suffix}")
    packed.chmod(0o644)
    packed.write_bytes(packed.read_bytes()[:part])
    for command in COMMANDS:
        store = Store(GitRepository(path))
        try:
            COMMANDS[command](store)
        except StoreError as error:
            said = str(error)
            if "missing or damaged" not in said or len(said.splitlines()) > 1:
                raise
        finally:
            store.close()


@pytest.mark.parametrize("kept_bytes", [-1, -20, -50, 100])
def test_packed_refs_cut_short_say_which_line_and_how_to_go_on(path: Path, kept_bytes: int) -> None:
    git(path, "pack-refs", "--all")
    packed = path / "packed-refs"
    packed.write_bytes(packed.read_bytes()[:kept_bytes])
    for command in COMMANDS:
        works_or_says_why(path, command, (str(packed),))
    assert git(path, "for-each-ref") != ""


@pytest.mark.parametrize("line", ["garbage", "\0" * 60, "0123456789 refs/heads/x"])
def test_a_line_of_packed_refs_that_is_none_is_named(path: Path, line: str) -> None:
    git(path, "pack-refs", "--all")
    packed = path / "packed-refs"
    lines = packed.read_text().splitlines()
    packed.write_text("\n".join([*lines[:4], line, *lines[5:], ""]))
    for command in COMMANDS:
        works_or_says_why(path, command, (str(packed),))
    assert len(git(path, "for-each-ref").splitlines()) >= len(lines) - 3


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed before"])
@pytest.mark.parametrize("content", ["", "123\n", "\0" * 41])
@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/baseline/plain",
        "refs/heads/delta/night/c01-001",
        "refs/records/baseline/plain",
        "refs/pending/night/c01-003",
        "refs/pending/night/c01-007",
        "refs/runs/later",
    ],
)
def test_a_damaged_ref_is_named_and_what_the_message_says_mends_it(
    path: Path, ref: str, content: str, packed: bool
) -> None:
    if packed:
        git(path, "pack-refs", "--all")
    (path / ref).parent.mkdir(parents=True, exist_ok=True)
    (path / ref).write_text(content)
    for command in COMMANDS:
        works_or_says_why(path, command, (ref,))
    store = Store(GitRepository(path))
    assert contents(store.index) == made_anew(path)
    store.close()
