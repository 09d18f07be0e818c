"""The files of a revision of a git repository, read from its objects: nothing is checked out.

Invariants: no hook and no filter runs, no helper program is named by a URL or by the repository,
nothing is asked on a terminal, and the user's own repositories are not written to.
"""

import fnmatch
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.importers.file_trees import TooLarge

CLONE_SECONDS = 600.0
"""Time limit of a clone."""
MISSING = -1
"""In place of the size of a file whose blob the repository does not have."""

_SAFE = (
    *("-c", f"core.hooksPath={os.devnull}"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "protocol.ext.allow=never"),
    # The clone is bare, and is meant to be found.
    *("-c", "safe.bareRepository=all"),
)
_REDIRECTIONS = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_DIR",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_WORK_TREE",
    }
)
"""Variables that a caller, such as a hook, may have, and that would lead to its repository."""


class GitTree:
    """The regular files of one revision; links and submodules are left out."""

    def __init__(self, where: str, rev: str | None = None) -> None:
        """Read a repository in a folder, or clone one into a temporary folder.

        Args:
            where: A folder, or a URL that git can clone from.
            rev: A branch, tag or commit; by default what the repository has as HEAD.

        Raises:
            ConfigError: there is no such repository or revision.
        """
        for word in (where, rev or ""):
            if word.startswith("-") or "\0" in word:
                raise ConfigError(f"{word[:80]!r} is an option, not a repository or a revision")
        self._clone = "" if Path(where).is_dir() else tempfile.mkdtemp(prefix="deltanas-import-")
        try:
            self._repository = Path(_cloned(where, rev, self._clone) if self._clone else where)
            self.commit = self._resolved(where, rev or "HEAD")
            self._files = self._listed()
            self._reader = subprocess.Popen(
                ["git", *_SAFE, "cat-file", "--batch"],
                cwd=self._repository,
                env=self._environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except BaseException:
            shutil.rmtree(self._clone, ignore_errors=True)
            raise

    def names(self, folder: str = "") -> Iterator[str]:
        """See `FileTree.names`."""
        prefix = f"{folder}/" if folder else ""
        yield from (name for name in self._files if name.startswith(prefix))

    def matching(self, pattern: str) -> Iterator[str]:
        """See `FileTree.matching`."""
        yield from fnmatch.filter(self._files, pattern)

    def read(self, name: str, limit: int) -> bytes:
        """See `FileTree.read`."""
        blob, size = self._files[name]
        if size > limit:
            raise TooLarge(limit)
        assert self._reader.stdin is not None
        assert self._reader.stdout is not None
        try:
            self._reader.stdin.write(f"{blob}\n".encode())
            self._reader.stdin.flush()
            head = self._reader.stdout.readline()
            data = self._reader.stdout.read(size + 1) if head.endswith(b" %d\n" % size) else b""
        except BrokenPipeError:
            data = b""
        if size == MISSING or len(data) != size + 1:
            raise ConfigError(f"git cannot read {name} of {self.commit[:12]}; try `git fsck`")
        return data[:-1]

    def close(self) -> None:
        """End git, and remove the clone if there is one."""
        with self._reader:
            if self._reader.stdin is not None:
                self._reader.stdin.close()
        if self._clone:
            shutil.rmtree(self._clone, ignore_errors=True)

    def _resolved(self, where: str, rev: str) -> str:
        wanted = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"]
        found = _git(wanted, self._repository, self._environment())
        if found.returncode != 0:
            said = found.stderr.decode(errors="replace").strip()
            raise ConfigError(
                f"{where} has no revision {rev[:80]!r}, or is not a git repository"
                + (f": {said[-500:]}" if said else "")
            )
        return found.stdout.decode().strip()

    def _listed(self) -> dict[str, tuple[str, int]]:
        """List the revision's regular files: name to blob and size in bytes."""
        wanted = ["ls-tree", "-r", "-z", "-l", "--full-tree", self.commit]
        found = _git(wanted, self._repository, self._environment())
        if found.returncode != 0:
            said = found.stderr.decode(errors="replace").strip()
            raise ConfigError(f"git cannot list commit {self.commit[:12]}: {said[-500:]}")
        files = {}
        for line in found.stdout.decode(errors="surrogateescape").split("\0")[:-1]:
            facts, _, name = line.partition("\t")
            mode, _, blob, size = facts.split()
            if mode in {"100644", "100755"}:
                files[name] = (blob, int(size) if size.isdigit() else MISSING)
        return dict(sorted(files.items()))

    def _environment(self) -> Mapping[str, str]:
        # A repository may say that missing objects are fetched, and by which program: not here.
        return _environment() | {
            "GIT_CEILING_DIRECTORIES": str(self._repository.absolute().parent),
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_NO_LAZY_FETCH": "1",
        }


def _cloned(where: str, rev: str | None, target: str) -> str:
    """Clone into the folder ``target``; only the newest commit where no other is asked for."""
    options = ["--bare", "--quiet", "--template=", "--no-hardlinks"]
    options += [] if rev else ["--depth=1", "--no-tags"]
    environment = _environment() | {"GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
    try:
        done = _git(["clone", *options, "--", where, target], Path(target), environment)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{where} was not cloned within {CLONE_SECONDS:g} seconds") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ConfigError(
            f"{where} is neither a folder nor a repository that git can clone: {said[-500:]}"
        )
    return target


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _REDIRECTIONS}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _git(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", *_SAFE, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=CLONE_SECONDS,
            check=False,
            # Without a terminal of its own, ssh cannot stop and ask for a password.
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise ConfigError("git is not installed: it is needed to read a repository") from error
