"""Parent selection: seeded, blind to the order of the pool, and as strong as it says."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_agent.config import Selection
from deltanas_agent.selection import Member, select_parent
from deltanas_repo_store.records import ArchitectureId

POOL = [Member(ArchitectureId(f"{n:040x}"), f"m{n}", n / 10) for n in range(10)]
BEST, WORST = POOL[-1], POOL[0]


def draws(selection: Selection, times: int = 2000) -> Counter[str]:
    return Counter(select_parent(POOL, selection, seed=seed).name for seed in range(times))


@given(
    strategy=st.sampled_from(["uniform", "top-k", "tournament"]),
    size=st.integers(1, 20),
    seed=st.integers(0, 2**32 - 1),
    order=st.permutations(POOL),
)
def test_a_draw_depends_on_the_seed_and_not_on_the_order(
    strategy: str, size: int, seed: int, order: list[Member]
) -> None:
    selection = Selection.model_validate({"strategy": strategy, "size": size})
    assert select_parent(order, selection, seed=seed) == select_parent(POOL, selection, seed=seed)


def test_uniform_draws_everybody_alike() -> None:
    counts = draws(Selection(strategy="uniform"))
    assert set(counts) == {member.name for member in POOL}
    assert max(counts.values()) < 2 * min(counts.values())


def test_top_k_draws_the_k_best_alone() -> None:
    assert set(draws(Selection(strategy="top-k", size=3))) == {"m7", "m8", "m9"}


def test_top_1_is_the_best() -> None:
    assert set(draws(Selection(strategy="top-k", size=1), times=20)) == {BEST.name}


def test_a_tournament_prefers_the_better_and_leaves_out_who_cannot_win() -> None:
    counts = draws(Selection(strategy="tournament", size=3))
    # The best of three distinct members is never among the two worst.
    assert counts.keys().isdisjoint({"m0", "m1"})
    # It is the best of all in three draws of ten.
    assert 0.25 < counts[BEST.name] / 2000 < 0.35


def test_a_tournament_of_all_is_won_by_the_best() -> None:
    assert set(draws(Selection(strategy="tournament", size=99), times=20)) == {BEST.name}


def test_an_empty_pool_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        select_parent([], Selection(), seed=0)


def test_equal_parents_are_drawn_alike_whatever_their_commits() -> None:
    selection = Selection(strategy="top-k", size=1)
    pools = [
        [Member(ArchitectureId(left * 40), "a", 0.5), Member(ArchitectureId(right * 40), "b", 0.5)]
        for left, right in (("1", "2"), ("2", "1"))
    ]
    assert [select_parent(pool, selection, seed=0).name for pool in pools] == ["a", "a"]
