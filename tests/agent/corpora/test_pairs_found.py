"""What each source yields, before anything is built."""

from collections import Counter

import pytest

from deltanas_agent.corpora.drafts import (
    LeftOut,
    usable_child,
    with_line_ends,
    without_idle_changes,
)
from deltanas_agent.corpora.kept import kept_pairs
from deltanas_agent.corpora.mutants import mutant_pairs
from deltanas_agent.corpora.neighbours import lemur_pairs
from deltanas_agent.corpora.similarity import Similarity
from deltanas_repo_store.records import Architecture
from deltanas_repo_store.reported import NewBaseline
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.finetune_lora.corpus import CorpusSettings, Network, Pair
from deltanas_tools.novelty_check import Catalogue
from tests.agent.corpora.stores_for_tests import (
    DEEP,
    PLAIN,
    WIDE,
    keep,
    lemur_network,
    store_of,
    trial,
)
from tests.networks_for_tests import architecture, network
from tests.records_for_tests import evaluation

SETTINGS = CorpusSettings()


def neighbours(
    *networks: NewBaseline, relative: str = "", settings: CorpusSettings = SETTINGS
) -> tuple[list[Pair], Counter[str]]:
    left_out: Counter[str] = Counter()
    found = lemur_pairs(
        Catalogue(store_of(*networks)),
        settings,
        Similarity(),
        is_relative=lambda _, source: source == relative,
        left_out=left_out,
    )
    return list(found), left_out


def test_of_two_neighbours_the_worse_is_the_parent() -> None:
    [pair], _ = neighbours(
        lemur_network("ga-1", PLAIN, trial(0.7)), lemur_network("ga-2", WIDE, trial(0.5))
    )
    assert (pair.parent_name, pair.child_name, pair.family) == ("ga-2", "ga-1", "ga")
    assert (pair.parent_accuracy, pair.child_accuracy, pair.compared) == (0.5, 0.7, "alike")
    assert (pair.dataset, pair.input) == ("cifar-10", "3x32x32-10")


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        pytest.param(lemur_network("rag-1", WIDE, trial(0.5)), None, id="rag"),
        pytest.param(lemur_network("ga-2", WIDE), None, id="without reports"),
        pytest.param(lemur_network("ga-2", WIDE, trial(0.69)), None, id="no better"),
        pytest.param(
            lemur_network("ga-2", WIDE, trial(0.5, dataset="places365")), None, id="no common data"
        ),
        pytest.param(
            lemur_network("ga-2", f"{PLAIN}# why\n", trial(0.5)),
            "as good as the same text",
            id="the same text",
        ),
        pytest.param(
            lemur_network("ga-2", WIDE + "\n" * 200, trial(0.5)),
            "the parent is too long",
            id="long",
        ),
    ],
)
def test_what_is_no_pair_is_left_out(other: NewBaseline, reason: str | None) -> None:
    found, left_out = neighbours(lemur_network("ga-1", PLAIN, trial(0.7)), other)
    if reason is not None:
        assert left_out == {reason: 1}
    assert [pair.parent_name for pair in found] == []


def test_relatives_of_a_held_out_network_are_left_out() -> None:
    two = (lemur_network("ga-1", PLAIN, trial(0.7)), lemur_network("ga-2", WIDE, trial(0.5)))
    assert neighbours(*two, relative=WIDE) == ([], {"related to a held-out network": 1})


def test_two_networks_make_one_pair_on_however_many_data_sets() -> None:
    both = [
        lemur_network(name, source, trial(first), trial(1 - first, dataset="mnist"))
        for name, source, first in (("ga-1", PLAIN, 0.7), ("ga-2", WIDE, 0.5))
    ]
    found, _ = neighbours(*both)
    assert len(found) == 1


def test_a_kept_delta_beyond_the_noise_floor_is_a_pair() -> None:
    store = store_of(NewBaseline(name="net", architecture=architecture(PLAIN)))
    keep(store, "net", WIDE, accuracy=0.90)
    keep(store, "net", DEEP, accuracy=0.86)
    left_out: Counter[str] = Counter()
    [pair] = kept_pairs(store, SETTINGS, left_out)
    assert left_out == {"not better beyond noise": 1}
    assert (pair.parent.source, pair.child) == (PLAIN, WIDE)
    assert (pair.parent_name, pair.child_name, pair.root) == ("net", "night/c01-001", "net")
    assert (pair.parent_accuracy, pair.child_accuracy) == (0.85, 0.90)
    assert (pair.dataset, pair.input, pair.summary) == ("digits", "1x28x28-10", "Widen the stem")


def test_a_grandchild_has_its_baseline_as_root() -> None:
    store = store_of(NewBaseline(name="DPN107", architecture=architecture(PLAIN)))
    keep(store, "DPN107", WIDE, accuracy=0.86)
    keep(store, "night/c01-001", DEEP, accuracy=0.95)
    [pair] = kept_pairs(store, SETTINGS, Counter())
    assert (pair.parent_name, pair.root, pair.family) == ("night/c01-001", "DPN107", "DPN")


def test_what_descends_from_a_rag_network_is_left_out() -> None:
    store = store_of(NewBaseline(name="rag-1", architecture=architecture(PLAIN)))
    keep(store, "rag-1", WIDE, accuracy=0.95)
    left_out: Counter[str] = Counter()
    assert list(kept_pairs(store, SETTINGS, left_out)) == []
    assert left_out == {"a rag-* network's": 1}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param(
            {"architecture": architecture(WIDE, lr=0.3)}, "other hyper-parameters", id="lr"
        ),
        pytest.param(
            {"evaluation": evaluation(0.9, dataset="places365")}, "another kind", id="data set"
        ),
        pytest.param(
            {"evaluation": evaluation(0.9).model_copy(update={"transform": "complex"})},
            "another kind",
            id="complex",
        ),
        pytest.param(
            {"architecture": architecture(f"{WIDE}\nNet.learn = print\n")}, "frozen", id="frozen"
        ),
        pytest.param({"architecture": architecture("x = 1\n" * 60 + WIDE)}, "too long", id="long"),
    ],
)
def test_a_kept_delta_that_is_no_pair_says_why(changed: dict[str, object], reason: str) -> None:
    store = store_of(NewBaseline(name="net", architecture=architecture(PLAIN)))
    keep(store, "net", WIDE, accuracy=0.9, **changed)
    left_out: Counter[str] = Counter()
    assert list(kept_pairs(store, SETTINGS, left_out)) == []
    assert reason in next(iter(left_out))


def test_mutants_are_the_same_again_and_can_be_written() -> None:
    networks = [
        Network(
            name=name,
            family=name,
            architecture=architecture(source),
            dataset="mnist",
            input="1x28x28-10",
        )
        for name, source in (("a", PLAIN), ("b", DEEP))
    ]
    settings = CorpusSettings(pairs_per_parent=2)
    first = list(mutant_pairs(networks, settings, Counter()))
    assert first == list(mutant_pairs(networks, settings, Counter()))
    assert {pair.parent_name for pair in first} == {"a", "b"}
    for pair in first:
        assert DeltaGrammar.of(pair.parent.source).write(pair.child).count("\n") <= 40
        assert pair.summary
    assert first != list(mutant_pairs(networks, settings.model_copy(update={"seed": 1}), Counter()))


def test_what_cannot_be_mutated_is_tried_once() -> None:
    barren = Network(
        name="barren",
        family="barren",
        architecture=Architecture(source="x = []\n", hparams={}),
        dataset="mnist",
        input="1x28x28-10",
    )
    left_out: Counter[str] = Counter()
    assert list(mutant_pairs([barren], SETTINGS, left_out)) == []
    assert left_out == {"nothing in it can be mutated": 1}


@pytest.mark.parametrize(
    ("parent", "child", "expected"),
    [
        pytest.param("a\nb\n", "a\nc", "a\nc\n", id="a newline at the end"),
        pytest.param("a\nb", "c\nb\n", "c\nb", id="none, where the parent has none"),
        pytest.param("a\nb", "a\nc\n", "a\nc\n", id="one again, behind another last line"),
        pytest.param("a\r\nb\r\n", "a\nc\n", "a\r\nc\r\n", id="carriage returns"),
        pytest.param("a\nb\n", "a\r\nc\r\n", "a\nc\n", id="no carriage returns"),
    ],
)
def test_lines_end_as_the_parents(parent: str, child: str, expected: str) -> None:
    assert with_line_ends(parent, child) == expected


@pytest.mark.parametrize(
    ("parent", "child", "expected"),
    [
        pytest.param("a\nb\n", "a\n# why\n\nb\n", "a\nb\n", id="added comments"),
        pytest.param("# one\na\nb\n", "# two\na\nc\n", "# one\na\nc\n", id="another comment"),
        pytest.param("a\n\n\nb\n", "a\nb\n", "a\n\n\nb\n", id="blank lines taken out"),
        pytest.param("a  \nb\n", "a\nc\n", "a  \nc\n", id="white space at an end"),
        pytest.param("a\nb\n", "a\n# why\nc\n", "a\n# why\nc\n", id="a comment on new code"),
        pytest.param("a\nb", "b\na\n# why\nb", "b\na\nb", id="no newline at the end"),
    ],
)
def test_changes_that_say_nothing_are_taken_back(parent: str, child: str, expected: str) -> None:
    assert without_idle_changes(parent, child) == expected


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        pytest.param(network(learn="pass").replace("8", "16"), "", id="frozen parts are repaired"),
        pytest.param(
            network().replace("loss.backward()", "loss.backward()  # why"),
            "nothing else differs",
            id="nothing else",
        ),
        pytest.param(
            network(init="\n".join(f"self.n{each} = {each}" for each in range(60))),
            "the delta is too long",
            id="long",
        ),
        pytest.param(network().replace("nn.Module", "nn.Module, object"), "", id="another class"),
    ],
)
def test_a_usable_child_is_a_short_allowed_edit(child: str, reason: str) -> None:
    if reason:
        with pytest.raises(LeftOut, match=reason):
            usable_child(network(), child, SETTINGS)
    else:
        assert usable_child(network(), child, SETTINGS) != network()
