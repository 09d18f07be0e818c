"""A corpus in a folder: what is read is what was written, or an error."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from pydantic import ValidationError

from deltanas_repo_store.errors import ConfigError
from deltanas_tools.finetune_lora.corpus import (
    Corpus,
    Pair,
    read_corpus,
    read_manifest,
    write_corpus,
)
from tests.tools.finetune_lora.corpus.pairs_for_tests import corpus, network, pair

SOURCES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40).filter(str.strip)
GOOD = corpus(pair(), pair(child="width = 32\n"), held_out=(network(),))


@st.composite
def pairs(draw: DrawFn) -> Pair:
    accuracies: dict[str, object] = {}
    if draw(st.booleans()):
        share = st.floats(0, 1)
        accuracies = {
            "source": "lemur",
            "compared": "alike",
            "parent_accuracy": draw(share),
            "child_accuracy": draw(share),
        }
    summary = draw(st.text(max_size=20))
    return pair(draw(SOURCES), draw(SOURCES), summary=summary, **accuracies)


@settings(max_examples=40)
@given(st.lists(pairs(), min_size=2, max_size=5))
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, some: list[Pair]
) -> None:
    folder = tmp_path_factory.mktemp("corpora") / "corpus"
    made = corpus(*some, held_out=(network(),))
    manifest = write_corpus(made, folder)
    assert read_corpus(folder) == made
    assert manifest.digest == made.digest == read_manifest(folder).digest


@settings(max_examples=40)
@given(st.lists(pairs(), min_size=2, max_size=5), st.data())
def test_every_pair_and_its_place_have_a_say_in_the_digest(
    some: list[Pair], data: st.DataObject
) -> None:
    other = data.draw(st.one_of(st.permutations(some), st.just(some[1:])))
    assert (corpus(*some).digest == corpus(*other).digest) == (list(some) == list(other))


def test_the_digest_of_a_corpus_is_pinned() -> None:
    # Adapters name the corpus that they were trained on by it.
    assert GOOD.digest == "12831fb986c89b01513ab73186e3931c3bb41c2ab8122302415677ba7e024f9a"


def test_a_changed_line_is_found_out(tmp_path: Path) -> None:
    write_corpus(GOOD, tmp_path / "corpus")
    file = tmp_path / "corpus" / "corpus.jsonl"
    file.write_bytes(file.read_bytes().replace(b"width = 24", b"width = 25"))
    with pytest.raises(ConfigError, match="damaged"):
        read_corpus(tmp_path / "corpus")


@pytest.mark.parametrize("name", ["corpus.jsonl", "held_out.jsonl", "manifest.json"])
def test_a_missing_file_is_named(tmp_path: Path, name: str) -> None:
    write_corpus(GOOD, tmp_path / "corpus")
    (tmp_path / "corpus" / name).unlink()
    with pytest.raises(ConfigError, match=name):
        read_corpus(tmp_path / "corpus")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("<html>", id="no JSON"),
        pytest.param('{"version": 2}', id="another version"),
        pytest.param("[]", id="another shape"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    write_corpus(GOOD, tmp_path / "corpus")
    (tmp_path / "corpus" / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match="manifest"):
        read_corpus(tmp_path / "corpus")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(corpus(), id="no pair"),
        pytest.param(corpus(pair()), id="one pair"),
        pytest.param(corpus(pair(), pair(held_out=True)), id="one that is not held out"),
    ],
)
def test_a_corpus_needs_two_pairs_and_says_what_was_left_out(tmp_path: Path, made: Corpus) -> None:
    with pytest.raises(ConfigError, match="expected 2 or more; left out were mutation: 3 ineff"):
        write_corpus(made, tmp_path / "corpus")
    assert list(tmp_path.iterdir()) == []


def test_the_same_corpus_again_changes_nothing_and_another_is_refused(tmp_path: Path) -> None:
    write_corpus(GOOD, tmp_path / "corpus")
    write_corpus(GOOD, tmp_path / "corpus")
    with pytest.raises(ConfigError, match="something else"):
        write_corpus(corpus(*GOOD.pairs), tmp_path / "corpus")
    assert read_corpus(tmp_path / "corpus") == GOOD
    assert [each.name for each in tmp_path.iterdir()] == ["corpus"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"file/corpus"):
        write_corpus(GOOD, tmp_path / "file" / "corpus")


def test_lines_are_canonical(tmp_path: Path) -> None:
    write_corpus(GOOD, tmp_path / "corpus")
    for line in (tmp_path / "corpus" / "corpus.jsonl").read_text().splitlines():
        assert line == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"compared": "alike"}, id="compared without accuracies"),
        pytest.param({"compared": "alike", "parent_accuracy": 0.5}, id="one accuracy"),
        pytest.param({"parent_accuracy": 0.5, "child_accuracy": 0.6}, id="not compared"),
    ],
)
def test_a_pair_has_both_accuracies_or_neither(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="compared"):
        Pair.model_validate(pair().model_dump() | values)
