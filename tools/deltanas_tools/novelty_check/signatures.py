"""MinHash signatures: a set of hashes as 128 numbers, and a table of them that is quick to rank.

Signatures are datasketch's, in one batch for all shingles, with its scheme pinned.

Source: Broder, "On the resemblance and containment of documents" (1997). The 128 permutations are
the value of the reference code (nn-gpt 1.0.6).
"""

from typing import TYPE_CHECKING

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
        self._codes = np.empty((NUM_PERMUTATIONS // 64, 1024), dtype=np.uint64)

    def __len__(self) -> int:
        """Return the number of signatures."""
        return self._size

    def add(self, signature: "NDArray[np.uint32]") -> None:
        """Add a signature; its row is the number of those before it."""
        if self._size == len(self._signatures):
            signatures = np.empty((2 * self._size, NUM_PERMUTATIONS), dtype=np.uint32)
            signatures[: self._size] = self._signatures
            codes = np.empty((len(self._codes), 2 * self._size), dtype=np.uint64)
            codes[:, : self._size] = self._codes
            self._signatures, self._codes = signatures, codes
        self._signatures[self._size] = signature
        self._codes[:, self._size] = _code_of(signature)
        self._size += 1

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
        low, high = self._codes[:, : self._size]
        mine = _code_of(signature)
        distances = np.bitwise_count(low ^ mine[0]) + np.bitwise_count(high ^ mine[1])
        last = int(np.searchsorted(np.cumsum(np.bincount(distances)), SHORTLIST))
        nearer = np.flatnonzero(distances < last)
        at_last = np.flatnonzero(distances == last)[: SHORTLIST - nearer.size]
        return np.sort(np.concatenate([nearer, at_last]))


def _code_of(signature: "NDArray[np.uint32]") -> "NDArray[np.uint64]":
    """Return one bit of each component, packed."""
    return np.packbits(signature * _GOLDEN > np.uint32(0x7FFFFFFF)).view(np.uint64)
