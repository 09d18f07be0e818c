"""Eight processes write to one store at once: all of it is there, and none has to try again."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deltanas_repo_store.records import CandidateKey
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.store import Store
from tests.records_for_tests import PARENT, evaluation, kept, pending, rejected
from tests.repo_store.test_index import ROOT, contents, git, made_anew

WRITERS = 8
CANDIDATES = 8

WRITER = """
import sys
from pathlib import Path
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.store import Store
from tests.records_for_tests import evaluation, kept, pending, rejected

path, number, candidates = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
store = Store(GitRepository(path))
parent = store.resolve("plain")
print("ready", flush=True)
sys.stdin.readline()
run = f"run{number}"
store.begin_run(run, {"seed": number})
for index in range(1, candidates + 1):
    begun = pending(parent, run=run, index=index)
    store.reserve(begun)
    store.add_evaluation(parent, evaluation(seed=100 * number + index))
    store.finish(kept(begun) if index % 3 else rejected(begun))
    assert len(store.candidates(run)) == index
store.close()
"""

MAINTAINER = """
import sys
from pathlib import Path
from deltanas_repo_store.repository.git import GitRepository

repository = GitRepository(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    repository.maintain()
repository.close()
"""


def started(program: str, *args: object) -> subprocess.Popen[str]:
    """A process that waits for its start, ready to begin."""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *map(str, args)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def let_go(processes: Sequence[subprocess.Popen[str]]) -> None:
    """Start them all, and see that each ends well."""
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    ended = [(process.communicate(timeout=300)[1], process.returncode) for process in processes]
    assert [code for _, code in ended] == [0] * len(processes), [said for said, _ in ended if said]


def check(path: Path) -> None:
    """All that the writers wrote is there, as they wrote it."""
    store = Store(GitRepository(path))
    parent = store.resolve("plain")
    seeds = {100 * run + index for run in range(WRITERS) for index in range(1, CANDIDATES + 1)}
    assert {each.seed for each in store.evaluations(parent)} == seeds
    assert evaluation(seed=101) in store.evaluations(parent)
    for run in range(WRITERS):
        assert store.run_config(f"run{run}") == {"seed": run}
        assert store.pending(f"run{run}") == ()
        for index in range(1, CANDIDATES + 1):
            begun = pending(parent, run=f"run{run}", index=index)
            expected = kept(begun) if index % 3 else rejected(begun)
            key = CandidateKey(run=f"run{run}", cycle=1, index=index)
            assert store.outcome(key) == expected
    assert len(store.entries()) == 1 + WRITERS * CANDIDATES
    assert contents(store.index) == made_anew(path)
    store.close()
    assert git(path, "fsck", "--strict", "--no-dangling") == ""


def test_eight_writers_lose_nothing(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    store.import_baseline("plain", PARENT)
    let_go([started(WRITER, path, number, CANDIDATES) for number in range(WRITERS)])
    check(path)
    assert list((path / "refs").rglob("*.lock")) == []


def test_eight_writers_lose_nothing_while_the_store_is_maintained(
    git_store: tuple[Path, Store],
) -> None:
    path, store = git_store
    store.import_baseline("plain", PARENT)
    writers = [started(WRITER, path, number, CANDIDATES) for number in range(WRITERS)]
    let_go([*writers, started(MAINTAINER, path, 5)])
    check(path)


def test_eight_writers_lose_nothing_while_git_packs_and_reads(
    git_store: tuple[Path, Store],
) -> None:
    path, store = git_store
    store.import_baseline("plain", PARENT)
    writers = [started(WRITER, path, number, CANDIDATES) for number in range(WRITERS)]
    for process in writers:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    while any(process.poll() is None for process in writers):
        git(path, "pack-refs", "--all")
        git(path, "gc", "--quiet")
        git(path, "log", "--all", "--format=%s")
    assert [process.communicate()[1] for process in writers] == [""] * WRITERS
    check(path)
