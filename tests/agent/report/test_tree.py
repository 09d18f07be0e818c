"""The lineage as the page has it, and the deltas in it."""

from deltanas_agent.report import tree
from deltanas_agent.report.tree import Step, delta_lines, lineage
from tests.agent.report.runs_for_tests import Runs


def test_children_follow_their_parent_one_level_deeper() -> None:
    runs = Runs()
    runs.begin("night")
    first = runs.keep("night", 1)
    runs.keep("night", 2, parent=first)
    runs.keep("night", 3)
    runs.keep("night", 4, parent=runs.baselines[1])
    places = [(each.name, each.depth) for each in lineage(runs.facts("night"))]
    assert places == [
        ("ash", 0),
        ("night/c01-001", 1),
        ("night/c01-002", 2),
        ("night/c01-003", 1),
        ("birch", 0),
        ("night/c01-004", 1),
    ]


def test_a_parent_of_another_run_stands_at_the_top() -> None:
    runs = Runs()
    runs.begin("day")
    runs.begin("night")
    runs.keep("night", 1, parent=runs.keep("day", 1))
    assert [each.name for each in lineage(runs.facts("night"))] == ["day/c01-001", "night/c01-001"]


def test_what_was_refused_is_counted_where_it_was_proposed() -> None:
    runs = Runs()
    runs.begin("night")
    runs.refuse("night", 1)
    runs.refuse("night", 2)
    runs.refuse("night", 3, stage="novelty", code="near-duplicate")
    [ash] = lineage(runs.facts("night"))
    assert ash.refused == (("patch: not-found", 2), ("novelty: near-duplicate", 1))


def test_the_way_to_the_best_is_marked_up_to_its_baseline() -> None:
    runs = Runs()
    runs.begin("night")
    first = runs.keep("night", 1, accuracy=0.6)
    runs.keep("night", 2, accuracy=0.9, parent=first)
    runs.keep("night", 3, accuracy=0.7, parent=first)
    marked = [each.name for each in lineage(runs.facts("night")) if each.on_best]
    assert marked == ["ash", "night/c01-001", "night/c01-002"]


def test_the_best_is_the_best_mean_and_not_the_luckiest_number() -> None:
    runs = Runs()
    runs.begin("night")
    lucky = runs.keep("night", 1, accuracy=0.95)
    runs.score(lucky, 0.95, 0.70, 0.70)
    runs.keep("night", 2, accuracy=0.85)
    marked = [each.name for each in lineage(runs.facts("night")) if each.on_best]
    assert marked == ["ash", "night/c01-002"]


def test_a_lineage_of_any_length_is_walked_and_indented_so_far_and_no_farther() -> None:
    runs = Runs()
    runs.begin("night")
    above = runs.baselines[0]
    for index in range(1, 61):
        above = runs.keep("night", index, parent=above)
    last = lineage(runs.facts("night"))[-1]
    assert (last.depth, last.level) == (60, tree.MAX_NESTED)


def test_lines_of_a_delta_are_told_apart_by_where_they_stand() -> None:
    delta = "--- a/net.py\n+++ b/net.py\n@@ -1,3 +1,2 @@\n x\n--- y\n+++ z\n\\ No newline\n"
    kinds = [line.kind for line in delta_lines(delta).lines]
    assert kinds == ["head", "head", "hunk", "same", "removed", "added", "head"]


def test_a_line_separator_within_a_line_does_not_make_two() -> None:
    lines = delta_lines("@@ -1 +1 @@\n+a\u2028-b\r\x0c-c\n").lines
    assert [line.kind for line in lines] == ["hunk", "added"]


def test_a_long_delta_is_cut_and_the_rest_counted() -> None:
    shown = delta_lines("@@ -1 +1 @@\n" + "+x\n" * 100)
    assert len(shown.lines) + shown.num_left_out == 101
    assert len(shown.lines) == tree.MAX_LINES


def test_past_the_length_of_a_page_the_least_accurate_have_no_delta() -> None:
    runs = Runs()
    runs.begin("night")
    line = "# " + "x" * 250
    for index in range(1, 4):
        runs.keep("night", index, accuracy=index / 10, line="\n".join([line] * 60))
    facts = runs.facts("night")
    places = [each for each in lineage(facts) if isinstance(each, Step)]
    assert all(each.delta for each in places)
    room = tree.MAX_LINES * tree.MAX_LINE
    cut = tree.shown([each.trained for each in places], room=2 * room)
    assert cut == {each.id for each in places[1:]}
