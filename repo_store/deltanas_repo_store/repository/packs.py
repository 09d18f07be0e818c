"""Many objects at once: a pack, which ``git index-pack`` checks, names and puts in place.

A pack may hold trees that no commit has (records are such), which ``git fast-import`` cannot name.
Nothing in it is a delta; `maintenance` makes those.
Source: gitformat-pack(5), version 2.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator

from deltanas_repo_store.repository.objects import GitObject, Kind

_TYPES: dict[Kind, int] = {"commit": 1, "tree": 2, "blob": 3}


def pack(objects: Iterable[GitObject]) -> Iterator[bytes]:
    """Yield the bytes of a pack of these objects, each of them once."""
    distinct = {each.id: each for each in objects}
    checksum = hashlib.sha1(usedforsecurity=False)
    for part in _parts(distinct.values(), len(distinct)):
        checksum.update(part)
        yield part
    yield checksum.digest()


def _parts(objects: Iterable[GitObject], count: int) -> Iterator[bytes]:
    yield b"PACK" + struct.pack(">II", 2, count)
    for each in objects:
        yield _header(each.kind, len(each.data)) + zlib.compress(each.data, 6)


def _header(kind: Kind, size: int) -> bytes:
    """Return an entry's type and size: 4 bits of the size, then 7 a byte, the lowest first."""
    first, size = size & 15, size >> 4
    header = [_TYPES[kind] << 4 | first]
    while size:
        header[-1] |= 0x80
        header.append(size & 0x7F)
        size >>= 7
    return bytes(header)
