"""A whole corpus out of a small store."""

from pathlib import Path

import pytest

from deltanas_agent.corpora import Cancelled, build_corpus
from deltanas_agent.trainers import Trainers
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.reported import NewBaseline
from deltanas_repo_store.store import Store
from deltanas_tools.finetune_lora.corpus import Corpus, CorpusSettings
from deltanas_tools.novelty_check import Catalogue
from tests.agent.corpora.conftest import Counted
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

APART = network(
    init="self.a = nn.Linear(8, 8)", forward="x = self.a(x.mean((2, 3)))[..., None, None]"
)
SETTINGS = CorpusSettings(
    held_out=("apart",),
    held_out_sample=1,
    mutation_pairs=4,
    max_family_share=1,
    max_dataset_share=1,
)


@pytest.fixture(scope="module")
def built_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was built, for tests that do not care."""
    return tmp_path_factory.mktemp("built") / "builds"


@pytest.fixture
def store() -> Store:
    broken = network(forward="x = x.view(7, 7)")
    made = store_of(
        NewBaseline(name="apart", architecture=architecture(APART)),
        NewBaseline(name="apart-twin", architecture=architecture(f"{APART}# another\n")),
        NewBaseline(name="broken", architecture=architecture(broken)),
        lemur_network("ga-1", PLAIN, trial(0.7)),
        lemur_network("ga-2", WIDE, trial(0.5)),
        lemur_network("ga-3", APART.replace("8", "12"), trial(0.6)),
    )
    keep(made, "ga-1", DEEP, accuracy=0.95)
    return made


def built(
    store: Store, trainers: Trainers, builds: Path, settings: CorpusSettings = SETTINGS
) -> Corpus:
    made = build_corpus(Catalogue(store), settings, trainers, builds=builds)
    assert isinstance(made, Corpus)
    return made


def test_a_corpus_has_pairs_of_every_source_and_says_what_was_left_out(
    store: Store, trainers: Trainers, built_before: Path
) -> None:
    corpus = built(store, trainers, built_before)
    by_source = {pair.source: pair for pair in corpus.pairs}
    assert set(by_source) == {"store", "lemur", "mutation"}
    assert by_source["store"].child_name == "night/c01-001"
    assert corpus.held_out[0].name == "apart"
    left_out = corpus.provenance.left_out["mutation"]
    assert left_out["the parent does not build"] == 1
    assert left_out["related to a held-out network"] >= 1
    for pair in corpus.pairs:
        assert pair.held_out == (pair.root == "apart" or pair.root == corpus.held_out[1].name)


def test_however_many_build_side_by_side_the_corpus_is_the_same(
    store: Store, trainers: Trainers, two_trainers: Trainers, built_before: Path, tmp_path: Path
) -> None:
    one = built(store, trainers, built_before)
    two = built(store, two_trainers, tmp_path / "two")
    assert one.pairs == two.pairs
    assert one.digest == two.digest


def test_a_build_that_was_stopped_goes_on(
    store: Store, trainers: Trainers, counted: Counted, tmp_path: Path
) -> None:
    whole = built(store, trainers, tmp_path / "whole")
    num_builds = counted.num_runs
    builds, asked = tmp_path / "builds", 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 4

    stopped = build_corpus(Catalogue(store), SETTINGS, trainers, builds=builds, cancelled=cancelled)
    assert isinstance(stopped, Cancelled)
    assert built(store, trainers, builds) == whole
    assert counted.num_runs == 2 * num_builds


def test_progress_says_how_many_pairs_are_wanted(
    store: Store, trainers: Trainers, built_before: Path
) -> None:
    said: list[tuple[str, int, int]] = []
    build_corpus(
        Catalogue(store),
        SETTINGS,
        trainers,
        builds=built_before,
        progress=lambda what, done, total: said.append((what, done, total)),
    )
    assert ("store", 1, 1000) in said
    assert said[-1] == ("mutation", 4, 4)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("resnet", "no baseline 'resnet'", id="not there"),
        pytest.param("broken", "broken builds at none", id="does not build"),
    ],
)
def test_a_held_out_network_must_be_there_and_build(
    store: Store, trainers: Trainers, tmp_path: Path, name: str, reason: str
) -> None:
    settings = SETTINGS.model_copy(update={"held_out": (name,)})
    with pytest.raises(ConfigError, match=reason):
        build_corpus(Catalogue(store), settings, trainers, builds=tmp_path / "builds")
