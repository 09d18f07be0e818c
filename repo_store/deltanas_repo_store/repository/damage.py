"""Says what of a repository is damaged, which refs that concerns, and a command that mends it.

What a command drops is lost already; a copy of the store is always the better remedy, and writing
the same content once more is one as well.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from deltanas_repo_store.errors import StoreCorrupt, UnreadableObject
from deltanas_repo_store.repository.objects import GitObject, read_commit

_MOST_REFS = 8
"""Of refs that a message names, and offers to drop."""


def broken_ref(repository: Path, ref: str, what: str, remove: str = "") -> StoreCorrupt:
    """Return the error about a ref that cannot be followed."""
    remove = remove or _drop(repository, [ref])
    return StoreCorrupt(
        f"the ref {ref} {what}; restore it from a copy of the store, or, if its loss is "
        f"accepted, `{remove}`"
    )


def broken_listing(repository: Path, complaint: str) -> StoreCorrupt | None:
    """Return the error about ``packed-refs``, if that is what git complains of."""
    found = re.search(r"(unterminated|unexpected) line in \S*packed-refs", complaint)
    if found is None:
        return None
    packed = repository / "packed-refs"
    keep = r"/^(#.*|\^?[0-9a-f]{40}( refs\/.*)?)$/"
    # A file that was cut short ends amid a line, which may look whole.
    script = "$d" if found[1] == "unterminated" else f"{keep}!d"
    return StoreCorrupt(
        f"{packed} is damaged: {complaint}; restore it from a copy of the store, or, if the loss "
        f"of this line is accepted, `sed -i -E {shlex.quote(script)} {shlex.quote(str(packed))}`"
    )


def unreadable(repository: Path, object_id: str, refs: Sequence[str]) -> UnreadableObject:
    """Return the error about an object that is missing or damaged, and that ``refs`` need."""
    which = ", ".join(refs[:_MOST_REFS]) or "no ref that can be read"
    if len(refs) > _MOST_REFS:
        which += f" and {len(refs) - _MOST_REFS} more"
    remedy = (
        f"or, if the loss of what needs it is accepted, `{_drop(repository, refs)}`"
        if 0 < len(refs) <= _MOST_REFS
        else f"`git -C {shlex.quote(str(repository))} fsck` says what else is damaged"
    )
    return UnreadableObject(
        object_id,
        f"the object {object_id} of {repository} is missing or damaged, which {which} needs; "
        f"restore it from a copy of the store, {remedy}",
    )


def refs_that_need(
    object_id: str, refs: Mapping[str, str], read: Callable[[str], GitObject | None]
) -> list[str]:
    """Return the refs whose own objects include this one; where none do, those made from such.

    It reads the commits and trees of all refs.
    """
    own = [ref for ref, top in refs.items() if _needs(object_id, top, read)]
    return own or [
        ref
        for ref, top in refs.items()
        if any(_needs(object_id, parent, read) for parent in _parents(read(top)))
    ]


def _needs(wanted: str, top: str, read: Callable[[str], GitObject | None]) -> bool:
    if top == wanted:
        return True
    found = read(top)
    if found is None or found.kind == "blob":
        return False
    if found.kind == "commit":
        return _needs(wanted, found.data[5:45].decode(errors="replace"), read)
    return bytes.fromhex(wanted) in found.data


def _parents(found: GitObject | None) -> tuple[str, ...]:
    return read_commit(found.data).parents if found and found.kind == "commit" else ()


def _drop(repository: Path, refs: Sequence[str]) -> str:
    git = f"git -C {shlex.quote(str(repository))} update-ref"
    if len(refs) == 1:
        return f"{git} -d {refs[0]}"
    return f"printf 'delete %s\\n' {' '.join(refs)} | {git} --stdin"
