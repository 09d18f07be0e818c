"""Git's own ``ls-remote``, ``fetch`` and ``push`` with another repository, and its complaints.

The remote is not trusted: what it sends is checked by git object by object, it can run nothing
here, and no prompt can make us wait. A Ctrl-C ends git as well.
"""

import re
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from deltanas_repo_store.errors import ConfigError, StoreError
from deltanas_repo_store.repository import RefChange
from deltanas_repo_store.repository.git import GitRepository

_SAFE = (
    "protocol.ext.allow=never",
    "fetch.fsckObjects=true",
    "transfer.fsckObjects=true",
    "gc.auto=0",
    "maintenance.auto=false",
    # Not the refs: what is fetched gets names that last only when it has been checked.
    "core.fsync=objects",
)
_REMEDIES = (
    (r"No space left", "free some space and try again"),
    (
        r"(?i)authentication failed|could not read (username|password)|permission denied|403",
        "git must be able to log in by itself, with an ssh key or a credential helper, and you "
        "must be allowed to do this there",
    ),
    (
        r"(?i)does not appear to be a git repository|repository .* (not found|does not exist)",
        "give a URL, a path, or the name of a git remote of the store; "
        "`git init --bare PATH` makes a repository to share with",
    ),
    (r"(?i)could not resolve|unable to access|timed out|refused|unreachable", "is it online?"),
    (r"(?i)dubious ownership", "`git config --global --add safe.directory PATH` trusts it"),
    (r"(?i)fsck|corrupt|bad object", "the repository there is damaged: `git fsck` says how"),
)


_NEW = "refs/new/"
"""Where a ref that the remote has not stands in the folder that is pushed from."""


class _GitFailed(Exception):
    """Git ended with an error. The message is git's own."""


def run_git(repository: GitRepository, *args: str, given: str = "", shown: bool = False) -> str:
    """Run git on the store; ``shown`` lets it write its progress to our stderr.

    Raises:
        StoreError: git says no, or is not there.
    """
    try:
        return _run(repository, args, given, shown)
    except _GitFailed as failed:
        raise StoreError(f"git {args[0]} of {repository.path}: {failed}") from failed


def _run(
    repository: GitRepository,
    args: Sequence[str],
    given: str,
    shown: bool,
    folder: Path | None = None,
) -> str:
    """Run git on the store, or with the store's objects in another git ``folder``."""
    settings = [part for each in _SAFE for part in ("-c", each)]
    try:
        done = subprocess.run(
            ["git", *settings, *args],
            input=given.encode(),
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
            env={
                **repository.environment(),
                **({"GIT_DIR": str(folder)} if folder else {}),
                "GIT_TERMINAL_PROMPT": "0",
            },
        )
    except OSError as error:
        raise StoreError(f"git cannot be run: {error.strerror or error}") from error
    output = done.stdout.decode(errors="replace")
    if done.returncode:
        complaint = (done.stderr or b"").decode(errors="replace")
        raise _GitFailed(_essence(complaint + output) or f"it ended with {done.returncode}")
    return output


def checked_remote(remote: str) -> str:
    """Return a remote that git cannot take for an option, or raise `ConfigError`."""
    if not remote or remote.startswith("-") or not remote.isprintable():
        raise ConfigError(
            f"{remote[:80]!r} is no remote: give a URL, a path, or the name of a git remote"
        )
    return remote


def list_remote(repository: GitRepository, remote: str) -> dict[str, str]:
    """Return the refs of a remote: ref to object id.

    Raises:
        StoreError: it cannot be reached.
    """
    try:
        listing = _run(repository, ("ls-remote", "--quiet", "--refs", "--", remote), "", False)
    except _GitFailed as failed:
        raise _told(remote, "read", str(failed)) from failed
    pairs = (line.split("\t", 1) for line in listing.splitlines())
    return {ref: object_id for object_id, ref in pairs}


def fetch(
    repository: GitRepository, remote: str, refspecs: Iterable[str], *, shown: bool = False
) -> None:
    """Fetch refs, and nothing that they do not need.

    Raises:
        StoreError: the remote cannot be reached, or what it sends is damaged.
    """
    command = (
        "fetch",
        "--no-tags",
        "--no-prune",
        "--no-recurse-submodules",
        "--no-write-fetch-head",
        "--no-auto-maintenance",
        "--refmap=",
        "--progress" if shown else "--quiet",
        "--stdin",
        "--",
        remote,
    )
    given = "".join(f"{each}\n" for each in refspecs)
    try:
        _run(repository, command, given, shown)
    except _GitFailed as failed:
        raise _told(remote, "read", str(failed)) from failed


def push_refs(
    repository: GitRepository, remote: str, changes: Sequence[RefChange], *, shown: bool = False
) -> str:
    """Push all changes or none; return the reason where the remote takes none of them.

    Where a remote cannot do all or none, each ref is still only changed from what it was.

    Raises:
        StoreError: the remote cannot be reached.
    """
    # Nothing is forced: a new ref is refused where one has come up in the meantime.
    leases = [f"--force-with-lease={each.ref}:{each.old}" for each in changes if each.old]
    options = (
        "--porcelain",
        "--no-verify",
        "--no-signed",
        "--no-follow-tags",
        "--recurse-submodules=no",
        "--progress" if shown else "--quiet",
        *leases,
        "--",
        # By its address: pushing to its name would leave copies of the refs in refs/remotes.
        _push_address(repository, remote),
        *([f"{_NEW}*:refs/*"] if any(each.old is None for each in changes) else []),
        *(f"{each.new}:{each.ref}" for each in changes if each.old),
    )
    try:
        with _outgoing(repository, changes) as folder:
            try:
                _run(repository, ("push", "--atomic", *options), "", shown, folder)
            except _GitFailed as failed:
                if "does not support --atomic" not in str(failed):
                    raise
                _run(repository, ("push", *options), "", shown, folder)
    except _GitFailed as failed:
        if "rejected" in str(failed):
            return str(failed)
        raise _told(remote, "write", str(failed)) from failed
    return ""


@contextmanager
def _outgoing(repository: GitRepository, changes: Sequence[RefChange]) -> Generator[Path]:
    """Have a git folder, with the store's objects, whose refs below `_NEW` are the new ones.

    So that they go out by one pattern: git compares each ref that is named with all there are,
    which takes minutes for ten thousand.
    """
    new = sorted(
        (_NEW + each.ref.removeprefix("refs/"), each.new) for each in changes if not each.old
    )
    lines = ["# pack-refs with: peeled fully-peeled sorted ", *(f"{oid} {ref}" for ref, oid in new)]
    with tempfile.TemporaryDirectory(prefix="deltanas-push-") as made:
        folder = Path(made)
        (folder / "refs").mkdir()
        (folder / "objects").mkdir()
        (folder / "HEAD").write_text("ref: refs/heads/none\n", encoding="ascii")
        included = str(repository.path / "config").replace("\\", "\\\\").replace('"', '\\"')
        (folder / "config").write_text(
            "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
            f'[include]\n\tpath = "{included}"\n',
            encoding="utf-8",
        )
        (folder / "packed-refs").write_text("\n".join(lines) + "\n", encoding="ascii")
        yield folder


def _push_address(repository: GitRepository, remote: str) -> str:
    names = run_git(repository, "remote").splitlines()
    if remote not in names:
        return remote
    return run_git(repository, "remote", "get-url", "--push", "--", remote).splitlines()[0]


def _told(remote: str, verb: str, complaint: str) -> StoreError:
    remedy = next((advice for found, advice in _REMEDIES if re.search(found, complaint)), "")
    remedy = remedy or f"`git ls-remote {_without_secrets(remote)}` must work"
    return StoreError(f"cannot {verb} {_without_secrets(remote)}: {complaint}; {remedy}")


def _essence(complaint: str) -> str:
    """Return what git complains of in one line, without what a terminal would act on."""
    lines = ["".join(filter(str.isprintable, line)) for line in complaint.splitlines()]
    rejected = [line.lstrip("!") for line in lines if "rejected]" in line]
    told = [line for line in lines if re.match(r"(fatal|error|remote): ", line)]
    chosen = rejected[:1] or told[:3] or [line for line in lines if line.strip()][-1:]
    return _without_secrets("; ".join(line.strip() for line in chosen))


def _without_secrets(text: str) -> str:
    return re.sub(r"://[^/@\s]+@", "://", text)
