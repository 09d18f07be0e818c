"""MinHash signatures: the same as datasketch's, and quick to rank."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from deltanas_tools.novelty_check.shingles import hashes_of, jaccard
from deltanas_tools.novelty_check.signatures import (
    NUM_PERMUTATIONS,
    SHORTLIST,
    SignatureTable,
    estimate_jaccard,
    signature_of,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

texts = st.lists(st.text(), max_size=30)


@given(texts)
def test_a_signature_is_the_one_that_datasketch_makes_text_by_text(found: list[str]) -> None:
    theirs = MinHash(num_perm=128, seed=1, scheme="affine32")
    for text in found:
        theirs.update(text.encode())
    assert np.array_equal(signature_of(hashes_of(found)), theirs.digest())


@given(one=texts, other=texts)
def test_estimates_are_symmetric_between_0_and_1_and_1_on_oneself(
    one: list[str], other: list[str]
) -> None:
    a, b = signature_of(hashes_of(one)), signature_of(hashes_of(other))
    assert estimate_jaccard(a, a) == 1
    assert 0 <= float(estimate_jaccard(a, b)) == float(estimate_jaccard(b, a)) <= 1


@given(num_common=st.integers(1, 500), num_other=st.integers(0, 200))
def test_the_estimate_is_near_the_exact_similarity(num_common: int, num_other: int) -> None:
    one = hashes_of(map(str, range(num_common)))
    other = hashes_of(map(str, range(num_common + num_other)))
    exact = jaccard(one, other)
    # Four standard errors, at J = 0.5, where they are largest.
    assert abs(estimate_jaccard(signature_of(one), signature_of(other)) - exact) < 0.18


def test_signatures_of_other_lengths_do_not_compare() -> None:
    signature = signature_of(hashes_of(["x"]))
    with pytest.raises(ValueError, match="one length"):
        estimate_jaccard(signature[:64], signature)


def test_an_empty_table_ranks_nothing() -> None:
    rows, estimates = SignatureTable().ranked(signature_of(hashes_of(["x"])))
    assert (rows.size, estimates.size) == (0, 0)


def table_of(signatures: Sequence["NDArray[np.uint32]"]) -> SignatureTable:
    """A table that was filled in three goes."""
    table = SignatureTable()
    for some in np.array_split(np.arange(len(signatures)), 3):
        first = len(table)
        table.extend(some)
        if some.size:
            table.put(first + np.arange(some.size), np.stack([signatures[at] for at in some]))
    return table


def test_the_nearest_and_of_equals_the_earliest_come_first() -> None:
    table = table_of(
        [signature_of(hashes_of(map(str, range(num)))) for num in (50, 90, 100, 90, 100)]
    )
    rows, estimates = table.ranked(signature_of(hashes_of(map(str, range(100)))))
    assert (len(table), rows.tolist()) == (5, [2, 4, 1, 3, 0])
    assert estimates[0] == estimates[1] == 1


@given(seed=st.integers(0, 2**32 - 1), num_changed=st.integers(0, 50))
@settings(max_examples=25)
def test_a_table_longer_than_the_shortlist_finds_a_relative(seed: int, num_changed: int) -> None:
    rng = np.random.default_rng(seed)
    others = rng.integers(0, 2**32, (2 * SHORTLIST, NUM_PERMUTATIONS), dtype=np.uint32)
    relative = others[seed % len(others)].copy()
    changed = rng.choice(NUM_PERMUTATIONS, num_changed, replace=False)
    relative[changed] = rng.integers(0, 2**32, num_changed, dtype=np.uint32)
    table = table_of(list(others))
    rows, estimates = table.ranked(relative)
    assert (len(rows), rows[0]) == (SHORTLIST, seed % len(others))
    assert estimates[0] == estimate_jaccard(relative, others[rows[0]])


def test_a_table_of_equals_shortlists_no_more_than_it_should() -> None:
    signature = signature_of(hashes_of(["x"]))
    table = table_of([signature] * (SHORTLIST + 10))
    assert table.ranked(signature)[0].tolist() == list(range(SHORTLIST))
