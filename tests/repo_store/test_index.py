"""The index answers what a freshly made one would, whoever changed the refs and however."""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deltanas_repo_store.errors import StoreError
from deltanas_repo_store.index import Index, schema
from deltanas_repo_store.queries import leaderboard
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.repository import RefChange, ref_state
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.repository.ref_state import MOST_PREFIXES
from deltanas_repo_store.store import Store
from tests.records_for_tests import CHILD, PARENT, evaluation, kept, pending, rejected

ROOT = Path(__file__).parents[2]
TABLES = {
    "ref": "name, oid",
    "architecture": "ref, id, tree, name, status, stage, run, parent, made, trace, entry",
    "standing": "*",
    "checked": "*",
}


def git(path: Path, *args: str, stdin: str = "", check: bool = True) -> str:
    """Run git as a user would, and return what it prints."""
    return subprocess.run(
        ["git", "-C", str(path), *args],
        input=stdin,
        check=check,
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": os.devnull, "GIT_CONFIG_GLOBAL": os.devnull},
    ).stdout


def contents(index: Index) -> dict[str, list[tuple[object, ...]]]:
    """Everything that the index says, in an order of its own."""
    return {
        table: sorted(index.rows(f"SELECT {columns} FROM {table}"), key=repr)
        for table, columns in TABLES.items()
    }


def made_anew(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """What an index says that has never seen this repository before."""

    class Forgetful(GitRepository):
        def cache(self) -> None:  # type: ignore[override]
            return None

    repository = Forgetful(path)
    index = Index(repository)
    found = contents(index)
    index.close()
    repository.close()
    return found


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two baselines, two runs, records and a pending candidate."""
    path = tmp_path_factory.mktemp("filled") / "store"
    fill(path)
    return path


def fill(path: Path) -> None:
    create_repository(path)
    store = Store(GitRepository(path))
    parent = store.import_baseline("plain", PARENT)
    store.import_baseline("other", CHILD)
    store.add_evaluation(parent, evaluation())
    for run in ("night", "day"):
        store.begin_run(run, {"seed": 1})
        for index, end in ((1, kept), (2, rejected)):
            begun = pending(parent, run=run, index=index)
            store.reserve(begun)
            store.finish(end(begun))
    store.reserve(pending(parent, index=3))
    store.close()


@pytest.fixture
def copy(filled: Path, tmp_path: Path) -> Path:
    shutil.copytree(filled, tmp_path / "store")
    return tmp_path / "store"


# Whatever is done to the refs


class Changes:
    """One store, changed by plain git, by two `Store`s on its path, and from another store."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.path = folder / "store"
        self.other = folder / "other"
        self.ours = Store(GitRepository(self.path))
        self.theirs = Store(GitRepository(self.path))
        self.elsewhere = Store(GitRepository(self.other))
        self.number = 10

    def close(self) -> None:
        for store in (self.ours, self.theirs, self.elsewhere):
            store.close()

    def do(self, what: str) -> None:
        step: Callable[[], None] = getattr(self, what)
        step()

    def a_ref(self, *prefixes: str) -> tuple[str, str] | None:
        listing = git(self.path, "for-each-ref", "--format=%(refname) %(objectname)", *prefixes)
        refs = [(ref, oid) for ref, oid in map(str.split, listing.splitlines())]
        return self.random.choice(refs) if refs else None

    def one_is_finished_here(self) -> None:
        self._one_is_finished(self.ours)

    def one_is_finished_by_another_process(self) -> None:
        self._one_is_finished(self.theirs)

    def _one_is_finished(self, store: Store) -> None:
        found = store.repository.refs("refs/heads/baseline")
        if not found:
            return
        self.number += 1
        run = self.random.choice(["night", "day", "new"])
        begun = pending(ArchitectureId(min(found.values())), run=run, index=self.number)
        store.reserve(begun)
        if self.number % 3:
            store.finish(kept(begun) if self.random.random() < 0.5 else rejected(begun))

    def a_baseline_is_measured(self) -> None:
        found = self.a_ref("refs/heads/baseline")
        if found:
            store = self.random.choice([self.ours, self.theirs])
            self.number += 1
            store.add_evaluation(ArchitectureId(found[1]), evaluation(seed=self.number))

    def a_ref_is_deleted(self) -> None:
        if found := self.a_ref():
            git(self.path, "update-ref", "-d", found[0])

    def a_branch_is_deleted(self) -> None:
        if found := self.a_ref("refs/heads/delta", "refs/heads/baseline"):
            git(self.path, "branch", "-D", found[0].removeprefix("refs/heads/"))

    def a_run_is_deleted(self) -> None:
        refs = git(self.path, "for-each-ref", "--format=delete %(refname)", "refs/heads/delta/day")
        git(self.path, "update-ref", "--stdin", stdin=refs)

    def a_branch_is_rewritten(self) -> None:
        one, two = self.a_ref("refs/heads/delta"), self.a_ref("refs/heads/delta")
        if one and two:
            git(self.path, "update-ref", one[0], two[1])

    def a_branch_is_made(self) -> None:
        if found := self.a_ref("refs/heads/delta"):
            self.number += 1
            ref = f"refs/heads/delta/made{self.number % 4}/c01-{self.number:03d}"
            git(self.path, "update-ref", ref, found[1])

    def another_store_is_fetched(self) -> None:
        self._one_is_finished(self.elsewhere)
        git(self.path, "fetch", "--quiet", str(self.other), "+refs/*:refs/*", check=False)

    def refs_are_packed(self) -> None:
        git(self.path, "pack-refs", "--all")

    def all_is_packed(self) -> None:
        git(self.path, "gc", "--quiet")

    def time_passes(self) -> None:
        time.sleep(0.03)  # longer than the grain of times, and than the patched SETTLED_SECONDS


STEPS = sorted(
    name
    for name, value in vars(Changes).items()
    if callable(value) and not name.startswith("_") and name not in ("close", "do", "a_ref")
)


@pytest.mark.parametrize(
    ("settled_seconds", "grain_seconds"),
    [
        pytest.param(1.0, 1e-9, id="at once"),
        pytest.param(0.02, 1e-9, id="with times that settle"),
        pytest.param(0.25, 0.2, id="with times of a coarse grain"),
    ],
)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(st.tuples(st.sampled_from(STEPS), st.booleans()), min_size=1, max_size=12),
    seed=st.integers(0, 2**32),
)
def test_a_question_answers_what_an_index_made_anew_answers(
    filled: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    settled_seconds: float,
    grain_seconds: float,
    steps: list[tuple[str, bool]],
    seed: int,
) -> None:
    monkeypatch.setattr("deltanas_repo_store.repository.ref_state.SETTLED_SECONDS", settled_seconds)
    grain = int(grain_seconds * 1e9)
    exact = ref_state._time_of
    monkeypatch.setattr(ref_state, "_time_of", lambda path: exact(path) // grain * grain)
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(filled, folder / "store")
    shutil.copytree(filled, folder / "other")
    changes = Changes(folder, seed)
    with contextlib.closing(changes):
        for step, asked in steps:
            changes.do(step)
            if asked:
                asker = changes.random.choice([changes.ours, changes.theirs])
                assert contents(asker.index) == made_anew(changes.path), steps
        assert contents(changes.ours.index) == made_anew(changes.path)
        assert contents(changes.theirs.index) == contents(changes.ours.index)
    shutil.rmtree(folder)


def test_what_is_noted_late_does_not_undo_what_came_after(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltanas_repo_store.repository.ref_state.SETTLED_SECONDS", 0.0)
    slow, quick = Store(GitRepository(copy)), Store(GitRepository(copy))
    ref = "refs/records/baseline/plain"
    old = slow.repository.ref(ref)
    monkeypatch.setattr(slow.index, "wrote", lambda changes, objects: None)
    slow.add_evaluation(slow.resolve("plain"), evaluation(seed=8))
    new = slow.repository.ref(ref)
    monkeypatch.undo()
    quick.add_evaluation(quick.resolve("plain"), evaluation(seed=9))
    time.sleep(1.1)
    contents(quick.index)
    slow.index.wrote([RefChange(ref, old, new)], {})
    assert contents(quick.index) == made_anew(copy)
    slow.close()
    quick.close()


# Nothing has changed


def test_where_nothing_changed_nothing_is_listed(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltanas_repo_store.repository.ref_state.SETTLED_SECONDS", 0.0)
    store = Store(GitRepository(copy))
    before = store.entries()
    listed: list[tuple[str, ...]] = []
    monkeypatch.setattr(store.repository, "refs", lambda *prefixes: listed.append(prefixes))
    assert store.entries() == before
    assert leaderboard(store)
    assert listed == []
    store.close()


def test_where_one_folder_changed_no_other_is_listed(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltanas_repo_store.repository.ref_state.SETTLED_SECONDS", 0.0)
    repository = GitRepository(copy)
    _, state = repository.changed_since("")
    assert repository.changed_since(state)[0] == ()
    git(copy, "update-ref", "-d", "refs/heads/delta/night/c01-001")
    git(copy, "update-ref", "refs/runs/late", git(copy, "rev-parse", "refs/runs/day").strip())
    assert set(repository.changed_since(state)[0]) == {"refs/heads/delta/", "refs/runs/"}
    repository.close()


def test_where_very_many_folders_changed_all_is_listed_once(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deltanas_repo_store.repository.ref_state.SETTLED_SECONDS", 0.0)
    repository = GitRepository(copy)
    one = git(copy, "rev-parse", "refs/runs/day").strip()
    runs = range(MOST_PREFIXES + 1)
    for part in ("a", "b"):
        state = repository.changed_since("")[1]
        made = "".join(f"create refs/pending/r{run}/{part} {one}\n" for run in runs)
        git(copy, "update-ref", "--stdin", stdin=made)
    assert repository.changed_since(state)[0] == ("refs/",)
    repository.close()


# The file is not as it was left


def deleted(index: Path) -> None:
    index.unlink()


def all_deleted(index: Path) -> None:
    shutil.rmtree(index.parent)


def emptied(index: Path) -> None:
    os.truncate(index, 0)


def cut(index: Path) -> None:
    os.truncate(index, index.stat().st_size // 2 + 17)


def cut_at_a_page(index: Path) -> None:
    os.truncate(index, 3 * 4096)


def filled_with_garbage(index: Path) -> None:
    index.write_bytes(random.Random(1).randbytes(index.stat().st_size))


def overwritten_past_its_first_page(index: Path) -> None:
    with index.open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(1).randbytes(index.stat().st_size - 4096))


def of_another_version(index: Path) -> None:
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute("UPDATE architecture SET status = 'kept'")
        connection.execute("PRAGMA user_version = 99")
        connection.commit()


def without_a_table(index: Path) -> None:
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute("DROP TABLE standing")
        connection.commit()


def without_a_column(index: Path) -> None:
    with contextlib.closing(sqlite3.connect(index)) as connection:
        connection.execute("ALTER TABLE architecture RENAME COLUMN entry TO other")
        connection.commit()


def somebody_elses(index: Path) -> None:
    other = index.with_name("other.sqlite")
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE ref (x)")
        connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        connection.commit()
    other.replace(index)


DAMAGES = [
    deleted,
    all_deleted,
    emptied,
    cut,
    cut_at_a_page,
    filled_with_garbage,
    overwritten_past_its_first_page,
    of_another_version,
    without_a_table,
    without_a_column,
    somebody_elses,
]


@pytest.fixture
def indexed(copy: Path) -> Path:
    """A store whose index is complete and closed."""
    store = Store(GitRepository(copy))
    store.entries()
    store.close()
    return copy


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_index_is_made_anew(indexed: Path, damage: Callable[[Path], None]) -> None:
    damage(indexed / "deltanas" / "index.sqlite")
    store = Store(GitRepository(indexed))
    assert contents(store.index) == made_anew(indexed)
    store.close()


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_index_damaged_under_an_open_store_is_made_anew(
    indexed: Path, damage: Callable[[Path], None]
) -> None:
    store = Store(GitRepository(indexed))
    store.entries()
    damage(indexed / "deltanas" / "index.sqlite")
    other = Store(GitRepository(indexed))
    assert contents(other.index) == made_anew(indexed)
    begun = pending(other.resolve("plain"), run="late")
    other.reserve(begun)
    assert contents(store.index) == made_anew(indexed)
    store.finish(kept(begun))
    assert contents(other.index) == made_anew(indexed) == contents(store.index)
    store.close()
    other.close()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(each, marks=[] if each in (deleted, cut, somebody_elses) else pytest.mark.slow)
        for each in DAMAGES
    ],
)
def test_an_index_damaged_under_four_writers_costs_nothing(
    indexed: Path, damage: Callable[[Path], None]
) -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from deltanas_repo_store.repository.git import GitRepository\n"
        "from deltanas_repo_store.store import Store\n"
        "from tests.records_for_tests import evaluation, kept, pending\n"
        "store = Store(GitRepository(Path(sys.argv[1])))\n"
        "parent = store.resolve('plain')\n"
        "print('ready', flush=True)\n"
        "for index in range(1, 9):\n"
        "    begun = pending(parent, run=sys.argv[2], index=index)\n"
        "    store.reserve(begun)\n"
        "    made = store.finish(kept(begun))\n"
        "    assert len(store.entries(sys.argv[2])) == index\n"
        "    store.add_evaluation(made, evaluation(0.5, seed=index + 1))\n"
        "store.close()\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(indexed), f"run{n}"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for n in range(4)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
    damage(indexed / "deltanas" / "index.sqlite")
    ended = [(writer.communicate(timeout=120)[1], writer.returncode) for writer in writers]
    assert [code for _, code in ended] == [0] * 4, ended
    store = Store(GitRepository(indexed))
    assert contents(store.index) == made_anew(indexed)
    store.close()


def test_an_index_that_is_thrown_away_is_followed_by_who_has_it_open(indexed: Path) -> None:
    one, two = Store(GitRepository(indexed)), Store(GitRepository(indexed))
    one.entries()
    two.entries()
    assert two.index.rebuild() == len(made_anew(indexed)["ref"])
    one.index.write("INSERT INTO derived VALUES (?, ?, ?, ?)", [("kind", "tree", "key", b"data")])
    assert two.index.rows("SELECT data FROM derived") == [(b"data",)]
    one.close()
    two.close()


def test_a_transaction_that_fails_at_its_end_leaves_the_index_usable(
    indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(GitRepository(indexed))
    before = store.entries()
    store.index.rows("PRAGMA max_page_count = 1")
    with pytest.raises(StoreError, match="full"):
        store.index.write(
            "INSERT INTO derived VALUES (?, ?, ?, ?)",
            [("kind", str(n), "key", bytes(9999)) for n in range(99)],
        )
    store.index.rows("PRAGMA max_page_count = 1000000")
    assert store.entries() == before
    store.index.write("INSERT INTO derived VALUES (?, ?, ?, ?)", [("kind", "tree", "key", b"")])
    store.close()


# Readers who may not write


READER = (
    "import os, sys\n"
    "from pathlib import Path\n"
    "from deltanas_repo_store.repository.git import GitRepository\n"
    "from deltanas_repo_store.queries import leaderboard\n"
    "from deltanas_repo_store.store import Store\n"
    "os.setgid(65534); os.setuid(65534)\n"
    "os.environ['HOME'] = os.devnull\n"
    "store = Store(GitRepository(Path(sys.argv[1])))\n"
    "print(len(store.entries()), len(leaderboard(store)))\n"
    "store.close()\n"
)


def read_by_nobody(path: Path) -> str:
    """What a user sees of the store who may only read it."""
    if os.geteuid() != 0:
        pytest.skip("becoming another user needs root")
    done = subprocess.run(
        [sys.executable, "-c", READER, str(path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def shown(indexed: Path) -> Generator[Path]:
    """A store that every user may read, and one may write."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(indexed, Path(folder) / "store")
        Path(folder).chmod(0o755)
        yield Path(folder) / "store"


def test_a_reader_who_may_not_write_is_answered(shown: Path) -> None:
    assert read_by_nobody(shown) == "6 3"


def test_a_reader_who_may_not_write_sees_what_changed(shown: Path) -> None:
    git(shown, "update-ref", "-d", "refs/heads/delta/day/c01-001")
    assert read_by_nobody(shown) == "5 2"


def test_a_reader_who_may_not_write_is_answered_while_another_writes(shown: Path) -> None:
    store = Store(GitRepository(shown))
    begun = pending(store.resolve("plain"), run="late")
    store.reserve(begun)
    store.finish(kept(begun))
    assert read_by_nobody(shown) == "7 4"
    git(shown, "update-ref", "-d", "refs/heads/delta/day/c01-001")
    assert read_by_nobody(shown) == "6 3"
    store.close()
