"""Lists refs through git, and says which is broken, where one is."""

import re
from collections.abc import Sequence
from pathlib import Path

import git
from git.exc import GitCommandError

from deltanas_repo_store.errors import StoreBusy
from deltanas_repo_store.repository import damage
from deltanas_repo_store.repository.port import below
from deltanas_repo_store.repository.ref_state import EVERYWHERE

LISTINGS = 20
"""How often refs are listed while others remove some of them."""

_LAYOUT = "--format=%(refname) %(objectname)"
_IGNORED = re.compile(r"ignoring (?:broken ref|ref with broken name|dangling symref) (\S+)")


def list_refs(repository: Path, runner: git.Git, prefixes: Sequence[str]) -> dict[str, str]:
    """Return the refs at and below the prefixes: ref to object id.

    Raises:
        StoreCorrupt: one of them is broken, or ``packed-refs`` is.
        StoreBusy: others keep removing refs.
    """
    for _ in range(LISTINGS):
        listing, broken = _for_each_ref(repository, runner, prefixes)
        if broken is None:
            found = dict(line.split(" ", 1) for line in listing.splitlines())
            if EVERYWHERE in prefixes:
                return found
            return {
                ref: object_id
                for ref, object_id in found.items()
                if any(below(prefix, ref) for prefix in prefixes)
            }
        if not _was_overtaken(repository / broken):
            remove = f"rm {repository / broken}"
            raise damage.broken_ref(repository, broken, "is broken", remove)
    raise StoreBusy(f"refs of {repository} keep changing while they are listed; try again")


def last_line(error: GitCommandError) -> str:
    """Return the last of what git complained of, which says why it stopped."""
    lines = [
        line for line in str(error.stderr).replace("stderr:", "").splitlines() if line.strip(" '")
    ]
    return lines[-1].strip(" '") if lines else f"git ended with status {error.status}"


def _was_overtaken(file: Path) -> bool:
    """Say whether a ref that git found broken was only removed while git listed it."""
    try:
        return re.fullmatch(r"[0-9a-f]{40}\n", file.read_text("ascii")) is not None
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def _for_each_ref(
    repository: Path, runner: git.Git, prefixes: Sequence[str]
) -> tuple[str, str | None]:
    """Return what git lists, and a ref that it says is broken, if it says so."""
    # With a prefix, git skips lines of a damaged ``packed-refs`` and says nothing.
    below_what = [] if EVERYWHERE in prefixes else prefixes
    try:
        _, listing, complaints = runner.for_each_ref(
            _LAYOUT, *below_what, with_extended_output=True, strip_newline_in_stdout=False
        )
    except GitCommandError as error:
        text = last_line(error)
        if packed := damage.broken_listing(repository, text):
            raise packed from error
        broken = re.search(r"refs/\S+", text)
        ref = broken.group() if broken else " ".join(prefixes)
        raise damage.broken_ref(repository, ref, f"cannot be read: {text}") from error
    ignored = _IGNORED.search(complaints)
    return str(listing), ignored[1] if ignored else None
