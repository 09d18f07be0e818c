"""The split: nothing that is related to a held-out network is trained on."""

from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from deltanas_tools.finetune_lora.corpus import Pair, split_by_lineage
from deltanas_tools.finetune_lora.corpus.lineage import components
from tests.tools.finetune_lora.corpus.pairs_for_tests import network, pair

NODES = st.integers(0, 12)
EDGES = st.lists(st.tuples(NODES, NODES), max_size=14)


def reached(start: int, edges: Iterable[tuple[int, int]]) -> set[int]:
    """What can be reached, by walking."""
    found, waiting = {start}, [start]
    while waiting:
        at = waiting.pop()
        for one, other in edges:
            for a, b in ((one, other), (other, one)):
                if a == at and b not in found:
                    found.add(b)
                    waiting.append(b)
    return found


def line(number: int) -> str:
    return f"n = {number}\n"


def pairs_of(edges: Iterable[tuple[int, int]]) -> list[Pair]:
    return [pair(line(a), line(b), root=f"root-{a}", parent_name=f"{a}") for a, b in edges]


@settings(max_examples=40)
@given(EDGES)
def test_components_are_what_can_be_reached(edges: list[tuple[int, int]]) -> None:
    found = components(edges)
    for node in found:
        assert {each for each in found if found[each] == found[node]} == reached(node, edges)


@settings(max_examples=40)
@given(EDGES, EDGES, st.sets(NODES, max_size=3))
def test_the_held_out_pairs_are_those_of_its_relatives(
    steps: list[tuple[int, int]], related: list[tuple[int, int]], apart: set[int]
) -> None:
    held_out = [network(line(each), f"held-{each}") for each in sorted(apart)]
    split = split_by_lineage(
        pairs_of(steps), held_out, [(line(one), line(other)) for one, other in related]
    )
    kin = {each for start in apart for each in reached(start, [*steps, *related])}
    assert [each.held_out for each in split] == [parent in kin for parent, _ in steps]


@settings(max_examples=40)
@given(EDGES, st.data())
def test_the_order_of_pairs_has_no_say(steps: list[tuple[int, int]], data: st.DataObject) -> None:
    made = pairs_of(steps)
    held_out = [network(line(1), "held")]
    split = {(each.parent_name, each.child): each for each in split_by_lineage(made, held_out, [])}
    for each in split_by_lineage(data.draw(st.permutations(made)), held_out, []):
        assert split[each.parent_name, each.child] == each


def test_all_that_descends_from_a_held_out_baseline_is_held_out() -> None:
    grandchild = pair("n = 7\n", "n = 8\n", root="apart", parent_name="night/c01-001")
    stranger = pair("n = 17\n", "n = 18\n", root="other")
    split = split_by_lineage([grandchild, stranger], [network("n = 1\n", "apart")], [])
    assert [each.held_out for each in split] == [True, False]


def test_a_family_that_people_wrote_is_held_out_as_a_whole() -> None:
    held_out = [network("n = 1\n", "DPN")]
    written = pair("n = 7\n", "n = 8\n", root="DPN107", family="DPN")
    generated = pair("n = 17\n", "n = 18\n", root="ga-2", family="ga")
    split = split_by_lineage([written, generated], held_out, [])
    assert [each.held_out for each in split] == [True, False]
    assert not split_by_lineage([generated], [network("n = 1\n", "ga")], [])[0].held_out


def test_without_held_out_networks_everything_is_trained_on() -> None:
    assert not any(each.held_out for each in split_by_lineage(pairs_of([(1, 2)]), [], []))
