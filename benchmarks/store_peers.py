"""Other ways to keep a candidate in git, for `benchmarks.store`: two files, one commit, one branch.

None of them keeps a record, takes a slot before the work, looks out for other writers, or has an
index. `AllObjects` is the exception for the first two: it writes what ours writes.
"""

import subprocess
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import git
import pygit2

from benchmarks.synthetic_store import FIRST, Search, written
from deltanas_repo_store.entries import KEPT
from deltanas_repo_store.layout import (
    HPARAMS_FILE,
    PENDING,
    SOURCE_FILE,
    architecture_objects,
    candidate_ref,
    pending_text,
)
from deltanas_repo_store.messages import baseline_message, kept_message
from deltanas_repo_store.records import Architecture, Kept
from deltanas_repo_store.repository import RefChange
from deltanas_repo_store.repository import objects as git_objects
from deltanas_repo_store.repository.git import FORMAT, GitRepository
from deltanas_repo_store.repository.objects import blob

HEADS = "refs/heads/"
WHO = ("DeltaNAS", "deltanas@localhost")
_COMMITTER = f"committer {WHO[0]} <{WHO[1]}> {int(FIRST.timestamp())} +0000\n"


class Peer(Protocol):
    """Keeps candidates in a git repository."""

    def record(self, outcome: Kept) -> str:
        """Keep a candidate; return the commit's id, or a name of it."""
        ...


class Porcelain:
    """The git command, three times: ``checkout -b``, ``add``, ``commit``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, outcome: Kept) -> str:
        """Keep a candidate in the work tree's next commit."""
        ref = candidate_ref(KEPT, outcome.pending.key)
        branch = ref.removeprefix(HEADS)
        self._git("checkout", "-q", "-b", branch, outcome.pending.parent)
        put_files(self._path, outcome.architecture)
        self._git("add", SOURCE_FILE, HPARAMS_FILE)
        self._git("commit", "-q", "-m", kept_message(outcome))
        return branch

    def _git(self, *arguments: str) -> None:
        subprocess.run(["git", "-C", str(self._path), *arguments], check=True)


class GitPythonPorcelain:
    """GitPython as its tutorial has it: a head, a checkout, the index, a commit."""

    def __init__(self, path: Path) -> None:
        self._repo, self._path = git.Repo(path), path

    def record(self, outcome: Kept) -> str:
        """Keep a candidate in the work tree's next commit."""
        branch = candidate_ref(KEPT, outcome.pending.key).removeprefix(HEADS)
        self._repo.create_head(branch, outcome.pending.parent).checkout()
        put_files(self._path, outcome.architecture)
        self._repo.index.add([SOURCE_FILE, HPARAMS_FILE])
        return self._repo.index.commit(kept_message(outcome)).hexsha


class TwoFiles:
    """pygit2 without a work tree: two blobs, a tree, a commit, a branch."""

    def __init__(self, path: Path) -> None:
        self._repo = pygit2.Repository(str(path))

    def record(self, outcome: Kept) -> str:
        """Keep a candidate."""
        repo, architecture = self._repo, outcome.architecture
        tree = repo.TreeBuilder()
        for name, text in (
            (SOURCE_FILE, architecture.source),
            (HPARAMS_FILE, architecture.hparams_text()),
        ):
            tree.insert(name, repo.create_blob(text.encode()), pygit2.enums.FileMode.BLOB)
        who = pygit2.Signature(*WHO)
        made = repo.create_commit(
            None, who, who, kept_message(outcome), tree.write(), [outcome.pending.parent]
        )
        repo.references.create(candidate_ref(KEPT, outcome.pending.key), made)
        return str(made)


class OursAlike:
    """Our repository with what the peers keep: two files, a commit, a branch; nothing else."""

    def __init__(self, path: Path) -> None:
        command = ["git", "-C", str(path), "config", "deltanas.format", FORMAT]
        subprocess.run(command, check=True)
        self._repository = GitRepository(path / ".git")

    def record(self, outcome: Kept) -> str:
        """Keep a candidate."""
        objects = architecture_objects(outcome.architecture)
        made = git_objects.commit(
            tree_id=objects[-1].id,
            parents=(outcome.pending.parent,),
            author=WHO[0],
            when=FIRST,
            message=kept_message(outcome),
        )
        self._repository.write([*objects, made])
        ref = candidate_ref(KEPT, outcome.pending.key)
        self._repository.update([RefChange(ref, None, made.id)])
        return made.id


class AllObjects:
    """pygit2 with all objects and refs that ours writes; without fsync, checks or an index."""

    def __init__(self, path: Path) -> None:
        self._repo = pygit2.Repository(str(path))
        self._count = 0

    def record(self, outcome: Kept) -> str:
        """Take the slot, then keep the candidate and its record."""
        types = {"blob": 3, "tree": 2, "commit": 1}
        answer = blob(pending_text(outcome.pending))
        self._repo.odb.write(types["blob"], answer.data)
        pending = candidate_ref(PENDING, outcome.pending.key)
        self._repo.references.create(pending, answer.id)
        self._count += 1
        objects, refs = written(outcome, FIRST + timedelta(seconds=self._count))
        for each in objects:
            self._repo.odb.write(types[each.kind], each.data)
        for change in refs:
            self._repo.references.create(change.ref, str(change.new))
        self._repo.references.delete(pending)
        return str(refs[0].new)


def put_files(path: Path, architecture: Architecture) -> None:
    """Write an architecture's files into a work tree."""
    (path / SOURCE_FILE).write_text(architecture.source)
    (path / HPARAMS_FILE).write_text(architecture.hparams_text())


def work_tree(path: Path, size: int) -> None:
    """Make a repository with a work tree and ``size`` candidates in packs, two files each."""
    run(["git", "init", "-q", "--initial-branch=main", str(path)])
    for key, value in (
        ("user.name", WHO[0]),
        ("user.email", WHO[1]),
        ("gc.auto", "0"),
        ("core.logAllRefUpdates", "false"),
    ):
        run(["git", "-C", str(path), "config", key, value])
    fast_import(path, candidates(Search(), size))
    for command in (["pack-refs", "--all"], ["repack", "-adq"], ["checkout", "-q", "main"]):
        run(["git", "-C", str(path), *command])


def run(command: Sequence[str]) -> None:
    """Run a command that must succeed, and say nothing."""
    subprocess.run(command, check=True, capture_output=True)


def candidates(search: Search, size: int) -> Iterator[str]:
    """Yield what ``git fast-import`` reads for the baselines and ``size`` candidates."""
    for mark, root in enumerate(search.roots, 1):
        yield commit(f"{HEADS}baseline/{root.name}", mark, root.name, root.architecture)
    yield "reset refs/heads/main\nfrom :1\n\n"
    marks = {str(root.id): f":{mark}" for mark, root in enumerate(search.roots, 1)}
    for number in range(size):
        outcome = search.next()
        mark = len(search.roots) + number + 1
        ref = candidate_ref(KEPT, outcome.pending.key)
        parent = outcome.pending.parent
        message = kept_message(outcome)
        yield commit(ref, mark, message, outcome.architecture, marks.get(parent, parent))
        search.kept(outcome, f":{mark}")


def baseline_commits(architectures: dict[str, Architecture]) -> Iterator[str]:
    """Yield what ``git fast-import`` reads for baselines."""
    for mark, (name, architecture) in enumerate(architectures.items(), 1):
        message = baseline_message(name)
        yield commit(f"{HEADS}baseline/{name}", mark, message, architecture)


def commit(ref: str, mark: int, message: str, architecture: Architecture, parent: str = "") -> str:
    """Return a commit of two files, as git-fast-import(1) reads it."""
    return "".join(
        [
            f"commit {ref}\nmark :{mark}\n{_COMMITTER}{_data(message)}",
            f"from {parent}\n" if parent else "",
            f"M 100644 inline {SOURCE_FILE}\n{_data(architecture.source)}",
            f"M 100644 inline {HPARAMS_FILE}\n{_data(architecture.hparams_text())}\n",
        ]
    )


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}\n"


def fast_import(path: Path, stream: Iterator[str]) -> None:
    """Import what the stream says."""
    command = ["git", "-C", str(path), "fast-import", "--quiet"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    for part in stream:
        process.stdin.write(part.encode())
    process.stdin.close()
    if process.wait() != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
