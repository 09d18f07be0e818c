"""MinHash signatures: a set of hashes as 128 numbers, and a table of them that is quick to rank.

Signatures are datasketch's, in one batch for all shingles, with its scheme pinned.

Source: Broder, "On the resemblance and containment of documents" (1997). The 128 permutations are
the value of the reference code (nn-gpt 1.0.6).
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUM_PERMUTATIONS = 128
SEED = 1
"""Of the permutations. Signatures compare only where seed and permutations are the same."""

SHORTLIST = 2048
"""How many signatures are compared in full: those whose codes are nearest."""

_GOLDEN = np.uint32(0x9E3779B1)
"""A prime near 2**32 over the golden ratio: the product's top bit depends on all bits of a number.

Source: Knuth, "The Art of Computer Programming", volume 3, section 6.4, multiplicative hashing.
"""


def signature_of(hashes: "NDArray[np.uint64]") -> "NDArray[np.uint32]":
    """Return the MinHash signature of a set of hashes, of shape ``(NUM_PERMUTATIONS,)``."""
    # Half a second of imports that no other command should pay for.
    from datasketch import MinHash

    # The lower half of a hash is what datasketch itself would make of the shingle.
    sketch = MinHash(num_perm=NUM_PERMUTATIONS, seed=SEED, scheme="affine32", hashfunc=int)
    sketch.update_batch(hashes.astype(np.uint32).tolist())
    return np.asarray(sketch.digest(), dtype=np.uint32)


def estimate_jaccard(
    one: "NDArray[np.uint32]", others: "NDArray[np.uint32]"
) -> "NDArray[np.float64]":
    """Estimate the Jaccard similarity of a set to others from their signatures.

    The estimate is the share of equal components. It is unbiased, with standard error
    ``sqrt(J * (1 - J) / NUM_PERMUTATIONS)``: 0.027 at J = 0.9.

    Args:
        one: A signature, of shape ``(NUM_PERMUTATIONS,)``.
        others: One or more, of shape ``(..., NUM_PERMUTATIONS)``.

    Returns:
        The estimates, of the shape of ``others`` without its last axis.

    Raises:
        ValueError: the signatures have different lengths.
    """
    if one.ndim != 1 or one.shape != others.shape[-1:]:
        raise ValueError(f"need signatures of one length, got {one.shape}, {others.shape}")
    return np.asarray(np.count_nonzero(others == one, axis=-1) / one.size)


class SignatureTable:
    """A growing table of signatures, and of a one-bit code for each of their components.

    A look-up reads all codes (16 bytes an architecture) and compares in full the signatures whose
    codes are nearest. With similarity J, on average ``(1 - J) / 2`` of the bits differ.

    Source: Li and König, "b-Bit Minwise Hashing" (2010), with b = 1.
    """

    def __init__(self) -> None:
        self._size = 0
        # What is reserved and not written to yet takes no memory.
        self._signatures = np.empty((1024, NUM_PERMUTATIONS), dtype=np.uint32)
        self._low = np.empty(1024, dtype=np.uint64)
        self._high = np.empty(1024, dtype=np.uint64)
        self._numbers = np.empty(1024, dtype=np.int64)

    def __len__(self) -> int:
        """Return the number of signatures."""
        return self._size

    @property
    def numbers(self) -> "NDArray[np.int64]":
        """What the signatures are of, row by row."""
        return self._numbers[: self._size]

    def extend(self, numbers: "NDArray[np.int64]") -> None:
        """Add rows for what has these numbers; `put` brings their signatures."""
        size = self._size + numbers.size
        if size > len(self._numbers):
            room = max(size, 2 * self._size)
            self._signatures = _grown(self._signatures, self._size, room)
            self._low = _grown(self._low, self._size, room)
            self._high = _grown(self._high, self._size, room)
            self._numbers = _grown(self._numbers, self._size, room)
        self._numbers[self._size : size] = numbers
        self._size = size

    def put(self, rows: "NDArray[np.intp]", signatures: "NDArray[np.uint32]") -> None:
        """Set the signatures of rows, of shape ``(rows, NUM_PERMUTATIONS)``."""
        self._signatures[rows] = signatures
        self._low[rows], self._high[rows] = _codes_of(signatures).T

    def ranked(
        self, signature: "NDArray[np.uint32]"
    ) -> "tuple[NDArray[np.intp], NDArray[np.float64]]":
        """Return the nearest rows and their estimated similarities, nearest and earliest first."""
        rows = self._shortlist(signature)
        estimates = estimate_jaccard(signature, self._signatures[rows])
        order = np.argsort(-estimates, kind="stable")
        return rows[order], estimates[order]

    def _shortlist(self, signature: "NDArray[np.uint32]") -> "NDArray[np.intp]":
        """Return the rows with the nearest codes, ascending: `SHORTLIST` of them, or all."""
        if self._size <= SHORTLIST:
            return np.arange(self._size)
        low, high = _codes_of(signature)
        distances = np.bitwise_count(self._low[: self._size] ^ low)
        distances += np.bitwise_count(self._high[: self._size] ^ high)
        last = int(np.searchsorted(np.cumsum(np.bincount(distances)), SHORTLIST))
        nearer = np.flatnonzero(distances < last)
        at_last = np.flatnonzero(distances == last)[: SHORTLIST - nearer.size]
        return np.sort(np.concatenate([nearer, at_last]))


def _codes_of(signatures: "NDArray[np.uint32]") -> "NDArray[np.uint64]":
    """Return one bit of each component, packed: of shape ``(..., NUM_PERMUTATIONS / 64)``."""
    bits = signatures * _GOLDEN > np.uint32(0x7FFFFFFF)
    return np.packbits(bits, axis=-1).view(np.uint64)


def _grown(array: "NDArray[Any]", size: int, room: int) -> "NDArray[Any]":
    """Return a longer array with the same first ``size`` rows."""
    longer = np.empty((room, *array.shape[1:]), dtype=array.dtype)
    longer[:size] = array[:size]
    return longer
