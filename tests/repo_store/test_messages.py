"""Commit messages: for people first, for tools without doubt, whatever a model wrote."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deltanas_repo_store.entries import KeptEntry
from deltanas_repo_store.messages import (
    clean_line,
    kept_message,
    read_trailers,
    rejected_message,
    summarise_delta,
)
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.store import Store
from tests.records_for_tests import DELTA, PARENT, kept, pending, rejected

PARENT_ID = ArchitectureId("0" * 40)
HOSTILE = st.text() | st.sampled_from(
    [
        "Fix\n\nAccuracy: 0.9999",
        "Accuracy: 0.9999",
        "---\nAccuracy: 0.9999",
        "\x1b[2J\x1b]0;owned\x07",
        "\u202egnp.exe",
        "a\u2028Status: kept",
        "x\r\nStatus: kept",
        "# comment",
        "-" * 300,
        "Signed-off-by: you",
    ]
)


@given(summary=HOSTILE)
def test_a_hostile_summary_cannot_forge_a_trailer(summary: str) -> None:
    honest = read_trailers(kept_message(kept(pending(PARENT_ID))))
    assert read_trailers(kept_message(kept(pending(PARENT_ID, summary=summary)))) == honest


@given(message=HOSTILE)
def test_a_hostile_reason_cannot_forge_a_trailer(message: str) -> None:
    honest = read_trailers(rejected_message(rejected(pending(PARENT_ID))))
    assert read_trailers(rejected_message(rejected(pending(PARENT_ID), message=message))) == honest


@given(text=HOSTILE, limit=st.integers(1, 100))
def test_a_cleaned_line_is_short_printable_and_clean_already(text: str, limit: int) -> None:
    line = clean_line(text, limit)
    assert len(line) <= limit
    assert line.isprintable()
    assert clean_line(line, limit) == line


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(summary=HOSTILE)
def test_git_reads_the_trailers_that_we_wrote(git_store: tuple[Path, Store], summary: str) -> None:
    path, store = git_store
    parent = store.import_baseline("plain", PARENT)
    begun = pending(parent, run=f"r{len(store.entries())}", summary=summary)
    store.reserve(begun)
    result = store.finish(kept(begun, accuracy=0.25))
    seen = subprocess.run(
        [
            "git",
            "-C",
            str(path),
            "log",
            "-1",
            "--format=%(trailers:key=Accuracy,valueonly)",
            result,
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert seen.split() == ["0.250000"]
    entry = next(each for each in store.entries(begun.key.run))
    assert isinstance(entry, KeptEntry)
    assert entry.accuracy == 0.25


def test_the_subject_says_what_changed_and_what_came_of_it() -> None:
    subject = kept_message(kept(pending(PARENT_ID))).split("\n", 1)[0]
    assert subject == "Widen the stem · digits 0.9000 (+0.0500)"


def test_the_body_compares_with_the_parent() -> None:
    assert "accuracy 0.9000 (parent 0.8500, +0.0500)" in kept_message(kept(pending(PARENT_ID)))


@pytest.mark.parametrize(
    ("delta", "summary"),
    [
        pytest.param(DELTA, "Replace `width = 16` by `width = 24`", id="one line for another"),
        pytest.param("@@ -1 +1,2 @@\n a\n+b\n", "Add `b`", id="an added line"),
        pytest.param(
            "@@ -1,2 +0,0 @@\n-a\n-b\n", "Remove `a` and 1 more lines", id="removed lines"
        ),
        pytest.param("@@ -1,2 +1 @@\n-a\n-b\n+c\n", "Change 2 lines into 1 from `a`", id="several"),
        pytest.param("@@ -1 +1 @@\n-\n+ \n", "Change white space", id="white space"),
    ],
)
def test_a_delta_without_a_summary_is_put_into_words(delta: str, summary: str) -> None:
    assert summarise_delta(delta) == summary


@pytest.mark.parametrize(
    "message", ["", "subject\n", "subject\n\nnot a trailer\n", "s\n\nA: 1\nA: 2\n"]
)
def test_a_foreign_message_has_no_trailers_of_ours(message: str) -> None:
    with pytest.raises(ValueError, match="trailer"):
        read_trailers(message)
