"""Near-duplicates: runs of tokens, their hashes, and how much two sets of them share.

Docstrings, comments and formatting have no say. Seven tokens are the value of the reference code
(nn-gpt 1.0.6), so that similarities compare.
"""

import ast
import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from deltanas_repo_store.errors import BuildError
from deltanas_tools.novelty_check.twins import parse_candidate, without_prose

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHINGLE_TOKENS = 7

_TOKEN = re.compile(r"[A-Za-z_]\w*|\S")


def shingles(source: str) -> frozenset[str]:
    """Return the runs of seven tokens; of a shorter source, the one run that it is.

    Raises:
        BuildError: the source is not Python.
    """
    try:
        code = ast.unparse(without_prose(parse_candidate(source)))
    except RecursionError as error:
        raise BuildError("the source nests too deeply to be compared", code="syntax") from error
    tokens = _TOKEN.findall(code)
    last = max(len(tokens) - SHINGLE_TOKENS, 0)
    return frozenset(" ".join(tokens[at : at + SHINGLE_TOKENS]) for at in range(last + 1))


def hashes_of(texts: Iterable[str]) -> "NDArray[np.uint64]":
    """Return the distinct 64-bit hashes of texts, ascending: the first 8 bytes of their SHA-1.

    Two of a thousand texts share a hash in fewer than one of 10**13 sets.
    """
    digests = [
        hashlib.sha1(text.encode(errors="backslashreplace"), usedforsecurity=False).digest()[:8]
        for text in texts
    ]
    return np.unique(np.frombuffer(b"".join(digests), dtype="<u8"))


def jaccard(a: "NDArray[np.uint64]", b: "NDArray[np.uint64]") -> float:
    """Return the Jaccard similarity of two sets, given as ascending distinct hashes.

    Raises:
        ValueError: both are empty.
    """
    if not a.size + b.size:
        raise ValueError("two empty sets have no similarity")
    common = np.intersect1d(a, b, assume_unique=True).size
    return common / (a.size + b.size - common)
