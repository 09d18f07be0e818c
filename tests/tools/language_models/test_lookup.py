from hypothesis import given
from hypothesis import strategies as st

from deltanas_tools.language_models.lookup import Lookup

FEW_KINDS = st.lists(st.integers(0, 3), max_size=40)


def test_what_followed_the_last_time_is_what_may_follow() -> None:
    assert Lookup.of([1, 2, 9, 9, 1, 2, 5, 6, 7, 1, 2]).following(3) == [5, 6, 7]


def test_a_longer_run_counts_more_than_a_later_one() -> None:
    assert Lookup.of([1, 2, 3, 4, 5, 9, 3, 4, 6, 1, 2, 3, 4]).following(1) == [5]


def test_what_has_begun_to_repeat_itself_is_taken_to_go_on() -> None:
    assert Lookup.of([7, 1, 2, 3, 1, 2]).following(7) == [3, 1, 2, 3, 1, 2, 3]


def test_nothing_may_follow_what_was_never_seen() -> None:
    assert Lookup.of([1, 2, 3, 4, 5]).following(4) == []
    assert Lookup.of([]).following(4) == []


@given(shared=FEW_KINDS, one=FEW_KINDS, other=FEW_KINDS)
def test_a_branch_knows_what_was_before_it_and_not_its_siblings(
    shared: list[int], one: list[int], other: list[int]
) -> None:
    root = Lookup.of(shared)
    branch, sibling = root.branch(), root.branch()
    for token in other:
        sibling.add(token)
    for token in one:
        branch.add(token)
    assert branch.following(5) == Lookup.of(shared + one).following(5)
    assert root.following(5) == Lookup.of(shared).following(5)
