"""Near-duplicates: MinHash over runs of tokens, docstrings, comments and formatting apart.

Source: Broder, "On the resemblance and containment of documents" (1997). Seven tokens and 128
permutations are the values of the reference code (nn-gpt 1.0.6), so that similarities compare.
"""

import ast
import re
from typing import TYPE_CHECKING

import numpy as np

from deltanas_repo_store.errors import BuildError
from deltanas_tools.novelty_check.twins import parse_candidate, without_prose

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHINGLE_TOKENS = 7
NUM_PERMUTATIONS = 128
SEED = 1
"""Of the permutations. Signatures compare only where seed and permutations are the same."""

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


def signature(source: str) -> "NDArray[np.uint64]":
    """Return the MinHash signature of a source, of shape ``(NUM_PERMUTATIONS,)``.

    Raises:
        BuildError: the source is not Python.
    """
    # Half a second of imports that no other command should pay for.
    from datasketch import MinHash

    sketch = MinHash(num_perm=NUM_PERMUTATIONS, seed=SEED)
    sketch.update_batch([each.encode(errors="backslashreplace") for each in shingles(source)])
    values: NDArray[np.uint64] = sketch.digest()
    return values


def estimate_jaccard(a: "NDArray[np.uint64]", b: "NDArray[np.uint64]") -> float:
    """Estimate the Jaccard similarity of two shingle sets from their signatures.

    The estimate is the share of equal components. It is unbiased, with standard error
    ``sqrt(J * (1 - J) / NUM_PERMUTATIONS)``: 0.027 at J = 0.9.

    Raises:
        ValueError: the signatures have different shapes or are empty.
    """
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise ValueError(f"need two non-empty signatures of one length, got {a.shape}, {b.shape}")
    return int(np.count_nonzero(a == b)) / a.size
