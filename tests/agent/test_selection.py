"""Parent selection: seeded, blind to the order of the pool, and as strong as it says."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_agent.config import Islands, Selection
from deltanas_agent.selection import Member, on_island, pareto_front, select_parent
from deltanas_repo_store.records import ArchitectureId

POOL = [Member(ArchitectureId(f"{n:040x}"), f"m{n}", n / 10) for n in range(10)]
BEST, WORST = POOL[-1], POOL[0]


def draws(selection: Selection, times: int = 2000) -> Counter[str]:
    return Counter(select_parent(POOL, selection, seed=seed).name for seed in range(times))


@given(
    strategy=st.sampled_from(["uniform", "top-k", "tournament", "pareto"]),
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


def member(
    name: str,
    accuracy: float,
    *,
    params: int = 0,
    seconds: float = 0.0,
    at: tuple[int, int] = (0, 0),
) -> Member:
    """A baseline, or what was made in a cycle, at a place of its data set."""
    return Member(ArchitectureId(name * 40), name, accuracy, params, seconds, *at)


LANDSCAPE = [
    member("a", 0.9, params=900, seconds=9.0),
    member("b", 0.8, params=100, seconds=9.0),
    member("c", 0.7, params=100, seconds=1.0),
    member("d", 0.7, params=50, seconds=20.0),
    member("e", 0.6, params=500, seconds=8.0),
]


def test_the_pareto_front_has_what_nothing_beats() -> None:
    front = pareto_front(LANDSCAPE, ("params",))
    assert [each.name for each in front] == ["a", "b", "d"]


def test_another_objective_brings_others_to_the_front() -> None:
    front = pareto_front(LANDSCAPE, ("params", "seconds"))
    assert [each.name for each in front] == ["a", "b", "c", "d"]


def test_twins_are_on_the_front_together() -> None:
    twins = [member("a", 0.5, params=3), member("b", 0.5, params=3)]
    assert pareto_front(twins, ("params",)) == twins


@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=12
    )
)
def test_whatever_is_not_on_the_front_is_beaten_by_somebody_on_it(
    scores: list[tuple[int, int, int]],
) -> None:
    pool = [
        Member(ArchitectureId(f"{n:040x}"), f"m{n}", a / 4, params, float(seconds))
        for n, (a, params, seconds) in enumerate(scores)
    ]
    front = pareto_front(pool, ("params", "seconds"))
    assert front
    for each in pool:
        if each not in front:
            assert any(
                other.accuracy >= each.accuracy
                and other.num_params <= each.num_params
                and other.seconds <= each.seconds
                for other in front
            )


def test_pareto_draws_everybody_on_the_front_alike() -> None:
    selection = Selection(strategy="pareto")
    counts = Counter(select_parent(LANDSCAPE, selection, seed=seed).name for seed in range(600))
    assert set(counts) == {"a", "b", "d"}
    assert max(counts.values()) < 2 * min(counts.values())


TWO = Islands(count=2, migrate_every=2)
ISLANDERS = [
    member("b", 0.1),
    member("x", 0.5, at=(1, 1)),  # of the first island
    member("y", 0.9, at=(1, 2)),  # of the second
    member("z", 0.7, at=(3, 2)),
]


def names(islands: Islands, cycle: int, place: int) -> set[str]:
    return {each.name for each in on_island(ISLANDERS, islands, cycle=cycle, place=place)}


def test_without_islands_everybody_may_be_a_parent() -> None:
    assert names(Islands(), 2, 1) == {"b", "x", "y", "z"}


def test_an_island_has_the_baselines_and_its_own() -> None:
    assert names(TWO, 2, 1) == {"b", "x"}
    assert names(TWO, 2, 2) == {"b", "y", "z"}


def test_after_a_migration_the_best_of_the_island_before_is_there_as_well() -> None:
    assert names(TWO, 3, 1) == {"b", "x", "y"}


def test_who_came_later_is_not_among_the_migrants() -> None:
    assert "z" not in names(TWO, 4, 1)


def test_the_first_islands_best_go_to_the_second() -> None:
    assert names(TWO, 3, 2) == {"b", "x", "y", "z"}


@given(
    st.integers(2, 5), st.integers(1, 4), st.integers(1, 20), st.integers(1, 3), st.integers(1, 9)
)
def test_no_island_is_ever_empty(
    count: int, every: int, place: int, migrants: int, cycle: int
) -> None:
    islands = Islands(count=count, migrate_every=every, migrants=migrants)
    assert "b" in names(islands, cycle, place)
