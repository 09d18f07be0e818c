"""The brief as a language model reads it: its words are snapshots, and it fits where it can."""

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.records import Rejection
from deltanas_tools.brief import AnswerFormat, Brief, messages
from deltanas_tools.brief.text import without_frozen_bodies

SNAPSHOTS = Path(__file__).parent / "snapshots"
FORMATS: tuple[AnswerFormat, ...] = get_args(AnswerFormat)
PLAIN = Brief(
    parent=baselines()["plain-cnn"], dataset="digits", in_shape=(64, 1, 8, 8), num_classes=10
)
WITH_PAST = PLAIN.model_copy(
    update={
        "parent_accuracy": 0.9133,
        "siblings": (
            "Double the widths · digits 0.9300 (+0.0167)",
            "Add `self.x = 1` · rejected: ineffective",
        ),
        "refusals": (Rejection(stage="build", code="forward", message="forward: shapes differ"),),
        "refused_answer": "@@\n-        kernel = 3\n+        kernel = 30\n",
    }
)


def user_text(brief: Brief, form: AnswerFormat = "delta", room: int | None = None) -> str:
    return messages(brief, form, room=room)[1].text


def agrees(text: str, name: str) -> bool:
    """Compare with the snapshot; delete the file to take a new one."""
    snapshot = SNAPSHOTS / name
    if not snapshot.exists():
        snapshot.write_text(text, encoding="utf-8")
    return snapshot.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("form", FORMATS)
def test_the_words_of_a_brief_are_those_of_its_snapshot(form: AnswerFormat) -> None:
    text = "\n----\n".join(f"{each.role}:\n{each.text}" for each in messages(PLAIN, form))
    assert agrees(text + "\n", f"{form}.txt")


def test_the_words_about_the_past_are_those_of_their_snapshot() -> None:
    assert agrees(user_text(WITH_PAST) + "\n", "with-past.txt")


def test_the_part_that_all_answers_share_comes_first() -> None:
    task_and_source = user_text(PLAIN).partition("\n\nChange what")[0]
    again = WITH_PAST.model_copy(update={"parent_accuracy": None})
    assert user_text(again).startswith(task_and_source)


def test_bodies_that_may_not_be_changed_are_dots() -> None:
    shown = without_frozen_bodies(PLAIN.parent.source)
    assert "def learn(self, train_data):\n        ...\n" in shown
    assert "self.criterion" not in shown
    assert "x = self.pool(x).flatten(1)" in shown


@pytest.mark.parametrize("form", ["whole-file", "program"])
def test_who_writes_the_whole_file_sees_the_whole_file(form: AnswerFormat) -> None:
    assert PLAIN.parent.source in user_text(PLAIN, form)


def test_a_run_that_allows_it_shows_everything_and_forbids_nothing() -> None:
    free = PLAIN.model_copy(update={"frozen_parts": False})
    assert "self.criterion" in user_text(free)
    assert "stay as they are" not in user_text(free)


@given(st.integers(0, 6000))
def test_what_matters_least_is_left_out_first_and_the_network_never(room: int) -> None:
    text = user_text(WITH_PAST, room=room)
    older, latest = (sibling in text for sibling in WITH_PAST.siblings)
    assert latest or not older
    assert "kernel = 30" in text or not latest
    assert without_frozen_bodies(PLAIN.parent.source) in text
    assert len(text) <= room or not (older or latest or "kernel = 30" in text)


def test_a_fence_in_the_source_does_not_end_the_listing() -> None:
    fenced = PLAIN.parent.model_copy(update={"source": '"""\n```\n"""\n'})
    assert "````python\n" in user_text(PLAIN.model_copy(update={"parent": fenced}))
