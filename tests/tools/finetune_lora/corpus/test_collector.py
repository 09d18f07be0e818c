"""What a corpus has room for."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from deltanas_tools.finetune_lora.corpus import Collector, CorpusSettings, Pair
from deltanas_tools.finetune_lora.corpus.collector import SAME_DELTA
from tests.tools.finetune_lora.corpus.pairs_for_tests import pair

SETTINGS = CorpusSettings(
    lemur_pairs=10,
    mutation_pairs=8,
    pairs_per_parent=3,
    max_family_share=0.5,
    max_dataset_share=0.3,
)


def alike(one: str, other: str) -> float:
    """Parents are as good as the same where their first letters are."""
    return 1.0 if one[0] == other[0] else 0.2


def collector(settings: CorpusSettings = SETTINGS) -> Collector:
    return Collector(settings, similarity=alike, delta_key=lambda parent, child: child)


@st.composite
def drafts(draw: st.DrawFn) -> Pair:
    measured: dict[str, object] = {}
    source = draw(st.sampled_from(["store", "lemur", "mutation"]))
    if source != "mutation":
        measured = {"compared": "alike", "parent_accuracy": 0.5, "child_accuracy": 0.6}
    return pair(
        draw(st.sampled_from(["a1", "a2", "b1", "c1", "d1"])),
        draw(st.sampled_from("stuvwxyz")) + draw(st.sampled_from("0123")),
        source=source,
        family=draw(st.sampled_from(["alt", "ga", "DPN"])),
        dataset=draw(st.sampled_from(["cifar-10", "mnist", "svhn"])),
        **measured,
    )


@settings(max_examples=40)
@given(st.lists(drafts(), max_size=60))
def test_no_limit_is_ever_passed_and_nothing_else_is_refused(some: list[Pair]) -> None:
    made = collector()
    for each in some:
        if made.refusal(each):
            assert made.refusal(each) == made.refusal(each)
        elif made.room(each.source):
            made.take(each)
    taken = made.pairs
    assert max(Counter(each.parent.source[0] for each in taken).values(), default=0) <= 3
    assert len({each.child for each in taken}) == len(taken)
    for source, wanted in (("lemur", 10), ("mutation", 8)):
        of_source = [each for each in taken if each.source == source]
        families = Counter(each.family for each in of_source)
        assert len(of_source) <= wanted
        assert max(families.values(), default=0) <= wanted / 2
    datasets = Counter(each.dataset for each in taken if each.source == "lemur")
    assert max(datasets.values(), default=0) <= 3


@settings(max_examples=40)
@given(st.lists(drafts(), max_size=60))
def test_what_is_refused_once_is_refused_for_good(some: list[Pair]) -> None:
    made = collector()
    refused: list[Pair] = []
    for each in some:
        if made.refusal(each):
            refused.append(each)
        elif made.room(each.source):
            made.take(each)
    assert all(made.refusal(each) for each in refused)


def test_the_same_delta_of_another_parent_is_a_near_duplicate() -> None:
    made = collector()
    made.take(pair("a1", "x"))
    assert made.refusal(pair("b1", "x")) == SAME_DELTA
    assert made.refusal(pair("b1", "y")) == ""


def test_parents_as_good_as_the_same_share_their_room() -> None:
    made = collector()
    for child in "xyz":
        made.take(pair(f"a{child}", child))
    assert made.refusal(pair("a9", "w")) == "enough of this parent"
    assert made.refusal(pair("b9", "w")) == ""
