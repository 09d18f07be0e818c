"""Git objects as values: built, named and read back without a repository.

Invariant: an object's id is git's own (SHA-1 of its header and data), so the in-memory
repository and a real one agree on the id of everything.
Source: Git documentation, "Git Internals - Git Objects" and gitformat-commit.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import IO, Literal

Kind = Literal["blob", "tree", "commit"]

FILE_MODE = b"100644"
_PIECE = 1 << 20
"""Bytes of a file that are in memory at a time."""


@dataclass(frozen=True)
class GitObject:
    """A blob, tree or commit, not compressed and without its header."""

    kind: Kind
    data: bytes

    @cached_property
    def framed(self) -> bytes:
        """The bytes that git hashes and compresses: kind, size, NUL, data."""
        return b"%s %d\0%s" % (self.kind.encode(), len(self.data), self.data)

    @cached_property
    def id(self) -> str:
        """The object's name: 40 hexadecimal digits."""
        return hashlib.sha1(self.framed, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Commit:
    """A commit's content, as far as the store uses it."""

    tree: str
    parents: tuple[str, ...]
    message: str
    made: int
    """When it was committed, in seconds since 1970 (UTC)."""


def blob(text: str) -> GitObject:
    """Return the blob that holds ``text`` as UTF-8."""
    return GitObject("blob", text.encode())


def file_id(file: IO[bytes]) -> str:
    """Return the id that the blob of a file's bytes has, without having them in memory."""
    file.seek(0)  # which writes what is not written yet
    size = os.fstat(file.fileno()).st_size
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def tree(files: Mapping[str, str]) -> GitObject:
    """Return the flat tree that has ``files``: name to blob id."""
    entries = sorted((name.encode(), bytes.fromhex(blob_id)) for name, blob_id in files.items())
    return GitObject(
        "tree", b"".join(b"%s %s\0%s" % (FILE_MODE, name, sha) for name, sha in entries)
    )


def tree_files(data: bytes) -> dict[str, str]:
    """Read the files of a flat tree back: name to blob id.

    Raises:
        ValueError: the data is not a tree of plain files.
    """
    files: dict[str, str] = {}
    at = 0
    while at < len(data):
        space, nul = data.find(b" ", at), data.find(b"\0", at)
        if not at < space < nul or nul + 21 > len(data) or data[at:space] != FILE_MODE:
            raise ValueError("not a flat tree of plain files")
        files[data[space + 1 : nul].decode()] = data[nul + 1 : nul + 21].hex()
        at = nul + 21
    return files


def commit(
    *, tree_id: str, parents: tuple[str, ...], author: str, when: datetime, message: str
) -> GitObject:
    """Return a commit. ``author`` is a bare name; ``when`` must know its time zone.

    Raises:
        ValueError: the author's name or the message cannot stand in a commit.
    """
    if re.search(r"[<>\n\0]", author) or "\0" in message or when.tzinfo is None:
        raise ValueError("a commit needs a one-line author, a message without NUL, a zoned time")
    stamp = f"{int(when.timestamp())} {when:%z}"
    lines = [
        f"tree {tree_id}",
        *(f"parent {parent}" for parent in parents),
        f"author {author} <deltanas@localhost> {stamp}",
        f"committer DeltaNAS <deltanas@localhost> {stamp}",
        "",
        message,
    ]
    return GitObject("commit", "\n".join(lines).encode())


def read_commit(data: bytes) -> Commit:
    """Read a commit back.

    Raises:
        ValueError: the data is not a commit.
    """
    head, separator, message = data.decode(errors="replace").partition("\n\n")
    fields = [line.partition(" ") for line in head.split("\n")]
    trees = [value for key, _, value in fields if key == "tree"]
    times = [value.split(" ")[-2:][0] for key, _, value in fields if key == "committer"]
    if not separator or len(trees) != 1 or len(times) != 1:
        raise ValueError("not a commit: it needs one tree, one committer and a message")
    parents = tuple(value for key, _, value in fields if key == "parent")
    return Commit(tree=trees[0], parents=parents, message=message, made=int(times[0]))
