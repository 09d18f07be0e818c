from hypothesis import given
from hypothesis import strategies as st

from deltanas_tools.delta_grammar.anchors import Anchors

some_lines = st.lists(st.sampled_from("abc"), max_size=12)


def num_places(lines: list[str], start: int, end: int) -> int:
    """How often the lines stand in the text, counted one by one."""
    size = end - start
    places = range(len(lines) - size + 1)
    return sum(lines[at : at + size] == lines[start:end] for at in places)


@given(lines=some_lines)
def test_a_line_is_an_anchor_from_where_its_text_stands_only_once(lines: list[str]) -> None:
    size = len(lines)

    ends = [
        next((end for end in range(at + 1, size + 1) if num_places(lines, at, end) == 1), size + 1)
        for at in range(size)
    ]

    assert Anchors.of(lines).ends == (*ends, size + 1)


@given(lines=some_lines, end=st.integers(0, 12))
def test_the_latest_start_is_the_last_line_that_is_one_by_then(lines: list[str], end: int) -> None:
    anchors, end = Anchors.of(lines), min(end, len(lines))

    starts = [at for at in range(len(lines)) if anchors.ends[at] <= end]

    assert anchors.latest_start(end) == (starts[-1] if starts else None)


def test_a_tail_that_repeats_earlier_lines_has_no_anchor() -> None:
    assert Anchors.of(["a", "b", "x", "a", "b"]).ends == (3, 3, 3, 6, 6, 6)
