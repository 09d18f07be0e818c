"""novelty_check: what makes a network new, and what does not."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltanas_repo_store.errors import BuildError
from deltanas_repo_store.records import Architecture, ArchitectureId, Rejection
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from deltanas_tools.novelty_check import Catalogue, NoveltyIndex
from deltanas_tools.novelty_check.catalogue import MAX_RECENT
from deltanas_tools.novelty_check.shingles import hashes_of, jaccard, shingles
from deltanas_tools.novelty_check.twins import digest
from tests.records_for_tests import kept, pending, rejected

NET = '''\
"""A network."""
import torch
from torch import nn


class Block(nn.Module):
    """A block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 2 * width
        self.conv = nn.Conv2d(width, hidden, 3, padding=1)
        self.back = nn.Conv2d(hidden, width, kernel_size=1)

    def forward(self, x):
        y = torch.relu(self.conv(x))  # widen
        return x + self.back(y)
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("  # widen", "  # another comment", id="a comment"),
        pytest.param('"""A block."""', '"""Something else."""', id="a docstring"),
        pytest.param("2 * width", "(2*width)", id="formatting"),
        pytest.param("y", "branch", id="a local variable"),
        pytest.param("hidden", "inner", id="a variable used in calls"),
        pytest.param("self.back", "self.project", id="an attribute"),
        pytest.param("width: int", "width", id="an annotation"),
        pytest.param("width", "channels", id="a parameter"),
    ],
)
def test_words_do_not_make_a_network_new(old: str, new: str) -> None:
    renamed = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", new, NET)
    assert renamed != NET
    assert digest(renamed) == digest(NET)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("2 * width", "3 * width", id="a number"),
        pytest.param("relu", "tanh", id="a function"),
        pytest.param("kernel_size=1", "kernel_size=3", id="a keyword's value"),
        pytest.param("x + self.back(y)", "self.back(y)", id="a lost residual"),
        pytest.param("self.back(y)", "self.conv(y)", id="another layer of the same"),
        pytest.param("nn.Conv2d(hidden, width", "nn.Conv2d(width, hidden", id="swapped arguments"),
    ],
)
def test_what_is_computed_does(old: str, new: str) -> None:
    assert digest(NET.replace(old, new)) != digest(NET)


def test_parameters_that_are_named_in_calls_keep_their_meaning() -> None:
    one = "def f(a, b):\n    return a - b\n\n\nf(a=1, b=2)\n"
    other = "def f(b, a):\n    return b - a\n\n\nf(a=1, b=2)\n"
    assert digest(one) != digest(other)


def test_an_attribute_that_others_reach_for_keeps_its_name() -> None:
    one = "class A:\n    def f(self, m):\n        self.weight = 1\n        return m.weight\n"
    other = "class A:\n    def f(self, m):\n        self.bias = 1\n        return m.weight\n"
    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("def f(:", id="not Python"),
        pytest.param("x = 1\0", id="a NUL"),
        pytest.param("(" * 5000 + ")" * 5000, id="deep brackets"),
        pytest.param("x = " + "-" * 50_000 + "1", id="deep operators"),
        pytest.param("x = '\ud800'", id="a lone surrogate"),
    ],
)
def test_a_source_that_no_parser_reads_is_the_candidates_fault(source: str) -> None:
    for measure in (digest, shingles):
        with pytest.raises(BuildError) as caught:
            measure(source)
        assert caught.value.code == "syntax"


statements = st.lists(st.sampled_from(["a = 1", "b = a + 1", "c = [a, b]", "d = c"]), min_size=1)


def similarity(one: str, other: str) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


@given(one=statements, other=statements)
def test_similarity_is_symmetric_between_0_and_1_and_1_on_itself(
    one: list[str], other: list[str]
) -> None:
    a, b = hashes_of(shingles("\n".join(one))), hashes_of(shingles("\n".join(other)))
    assert jaccard(a, a) == 1
    assert 0 <= jaccard(a, b) == jaccard(b, a) <= 1


@given(one=statements, other=statements)
def test_hashes_share_what_the_shingles_share(one: list[str], other: list[str]) -> None:
    a, b = "\n".join(one), "\n".join(other)
    assert jaccard(hashes_of(shingles(a)), hashes_of(shingles(b))) == similarity(a, b)


def test_two_empty_sets_have_no_similarity() -> None:
    with pytest.raises(ValueError, match="empty"):
        jaccard(hashes_of([]), hashes_of([]))


@pytest.fixture
def store() -> Store:
    return Store(MemoryRepository())


def architecture(source: str) -> Architecture:
    return Architecture(source=source, hparams={})


def test_everything_is_novel_to_an_empty_store(store: Store) -> None:
    report = NoveltyIndex(Catalogue(store)).check(NET)
    assert (report.is_novel, report.similarity, report.nearest) == (True, 0.0, None)


def test_a_renamed_copy_is_an_exact_duplicate(store: Store) -> None:
    baseline = store.import_baseline("net", architecture(NET))
    report = NoveltyIndex(Catalogue(store)).check(NET.replace("hidden", "inner"))
    assert (report.is_novel, report.exact_duplicate_of) == (False, baseline)


def test_a_small_change_in_a_long_source_is_a_near_duplicate(store: Store) -> None:
    lines = [f"x{n} = f{n}(x{n - 1}, {n})" for n in range(100)]
    baseline = store.import_baseline("net", architecture("\n".join(lines)))
    report = NoveltyIndex(Catalogue(store)).check("\n".join(lines).replace("f50", "g50"))
    assert (report.is_novel, report.nearest) == (False, baseline)
    assert report.exact_duplicate_of is None


def test_another_network_is_novel(store: Store) -> None:
    store.import_baseline("net", architecture(NET))
    assert NoveltyIndex(Catalogue(store)).check("y = [n * n for n in range(100)]").is_novel


def test_the_index_sees_what_is_kept_after_it_was_made(store: Store) -> None:
    index = NoveltyIndex(Catalogue(store))
    begun = pending(store.import_baseline("net", architecture("x = 1")))
    assert index.check(NET).is_novel
    store.reserve(begun)
    store.finish(kept(begun, architecture=architecture(NET)))
    assert not index.check(NET).is_novel


@pytest.mark.parametrize(("stage", "novel"), [("build", True), ("train", False)])
def test_of_rejected_candidates_only_the_trained_count(
    store: Store, stage: str, novel: bool
) -> None:
    begun = pending(store.import_baseline("net", architecture("x = 1")))
    store.reserve(begun)
    outcome = rejected(begun, architecture=architecture(NET))
    reason = Rejection.model_validate({"stage": stage, "code": "error", "message": ""})
    store.finish(outcome.model_copy(update={"rejection": reason}))
    assert NoveltyIndex(Catalogue(store)).check(NET).is_novel is novel


def test_exactly_at_the_threshold_is_a_duplicate(store: Store) -> None:
    store.import_baseline("net", architecture("x = 1"))
    report = NoveltyIndex(Catalogue(store), threshold=0.0).check(NET)
    assert (report.similarity, report.is_novel) == (0.0, False)


LINES = [f"x{n} = f{n}(x{n - 1}, {n})" for n in range(60)]
edited_lines = st.sets(st.integers(0, len(LINES) - 1), max_size=12)


def variant(edited: set[int]) -> str:
    return "\n".join(f"y = {n}" if n in edited else line for n, line in enumerate(LINES))


@given(stored=st.lists(edited_lines, min_size=1, max_size=30), asked=edited_lines)
@settings(max_examples=25)
def test_what_is_reported_is_the_exact_similarity_to_the_nearest(
    stored: list[set[int]], asked: set[int]
) -> None:
    store = Store(MemoryRepository())
    for number, edited in enumerate(stored):
        store.import_baseline(f"net{number}", architecture(variant(edited)))

    report = NoveltyIndex(Catalogue(store)).check(variant(asked))

    assert report.nearest is not None
    exact = [similarity(variant(asked), variant(edited)) for edited in stored]
    assert report.similarity == similarity(variant(asked), store.get(report.nearest).source)
    assert report.is_novel == (max(exact) < report.threshold)


def test_of_equally_near_ones_the_earliest_is_named(store: Store) -> None:
    first = store.import_baseline("a", architecture(NET + "# one"))
    store.import_baseline("b", architecture(NET + "# other"))
    assert NoveltyIndex(Catalogue(store)).check(NET).nearest == first


def test_what_is_left_out_is_not_its_own_nearest(store: Store) -> None:
    own = store.import_baseline("own", architecture(NET))
    other = store.import_baseline("other", architecture(NET.replace("relu", "tanh")))
    report = NoveltyIndex(Catalogue(store)).check(NET, leave_out=own)
    assert (report.nearest, report.exact_duplicate_of) == (other, None)


def test_a_source_is_read_once_while_its_hashes_are_at_hand(store: Store) -> None:
    class Counting(Store):
        num_read = 0

        def get(self, architecture_id: ArchitectureId) -> Architecture:
            self.num_read += 1
            return super().get(architecture_id)

    for number in range(5):
        store.import_baseline(f"net{number}", architecture(variant({number})))
    counting = Counting(store.repository)
    index = NoveltyIndex(Catalogue(counting))
    for number in range(10):
        index.check(variant({number, 20}))
    assert counting.num_read == 5


def test_a_source_is_read_again_when_its_hashes_were_dropped(store: Store) -> None:
    baseline = store.import_baseline("net", architecture(NET))
    for number in range(MAX_RECENT):
        store.import_baseline(f"small{number}", architecture(f"x = {number}"))
    report = NoveltyIndex(Catalogue(store)).check(NET)
    assert (report.nearest, report.similarity) == (baseline, 1.0)


def test_a_network_in_training_that_is_nearer_than_the_store_would_change_the_report(
    store: Store,
) -> None:
    store.import_baseline("net", architecture(variant({1, 2, 3})))
    index = NoveltyIndex(Catalogue(store))
    index.begin("further", variant({1, 2, 3, 4, 5}))
    report = index.check(variant(set()))
    assert not index.has_nearer_under_way(variant(set()), report)
    index.begin("nearer", variant({1}))
    assert index.has_nearer_under_way(variant(set()), report)
    index.end("nearer")
    assert not index.has_nearer_under_way(variant(set()), report)
