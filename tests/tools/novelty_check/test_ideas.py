"""Ideas: the same delta elsewhere, and lines that this lineage took out before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.entries import in_words
from deltanas_repo_store.records import Architecture, ArchitectureId, Rejection, TriedIdea
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from deltanas_tools.novelty_check import Catalogue, NoveltyIndex
from deltanas_tools.novelty_check.ideas import idea_digest, lines_of
from tests.records_for_tests import kept, pending, rejected

lines = st.lists(st.sampled_from(["x = conv(x)", "x = norm(x)", "y = relu(x)", "z = 1"]))
spaces = st.sampled_from(["", "    ", "\t"])


def idea(old: str, new: str) -> str:
    return idea_digest(lines_of(old), lines_of(new))


@given(context=lines, removed=lines, added=lines, space=spaces, before=st.booleans())
def test_neither_space_nor_place_nor_context_makes_another_idea(
    context: list[str], removed: list[str], added: list[str], space: str, before: bool
) -> None:
    plain = idea("\n".join(removed), "\n".join(added))

    def around(edited: list[str]) -> str:
        spaced = [space + line.replace(" ", "  ") + " # note"[:0] for line in edited]
        return "\n".join([*context, "", *spaced] if before else [*spaced, "# note", *context])

    assert idea(around(removed), around(added)) == plain


@given(old=lines, new=lines)
def test_a_delta_and_its_way_back_are_two_ideas(old: list[str], new: list[str]) -> None:
    there, back = idea("\n".join(old), "\n".join(new)), idea("\n".join(new), "\n".join(old))
    assert (there == back) == (there == "")


@pytest.fixture
def store() -> Store:
    return Store(MemoryRepository())


def baseline(store: Store, name: str, source: str) -> ArchitectureId:
    return store.import_baseline(name, Architecture(source=source, hparams={}))


def child(store: Store, parent: ArchitectureId, source: str, index: int) -> ArchitectureId:
    begun = pending(parent, index=index)
    store.reserve(begun)
    return store.finish(kept(begun, architecture=Architecture(source=source, hparams={})))


def tried(store: Store, parent: ArchitectureId, source: str) -> tuple[TriedIdea, ...]:
    return NoveltyIndex(Catalogue(store)).check(source, parent=parent).tried


DROP = "x = dropout(x, 0.25)\n"


def test_lines_that_the_lineage_took_out_are_reported_when_they_come_back(store: Store) -> None:
    first = baseline(store, "net", f"x = conv(x)\n{DROP}x = head(x)\n")
    second = child(store, first, "x = conv(x)\nx = head(x)\n", 1)
    third = child(store, second, "x = conv(x)\nx = head(2 * x)\n", 2)
    [found] = tried(store, third, f"x = conv(x)\nx = head(2 * x)\n{DROP}")
    assert (found.kind, found.name, found.id) == ("removed-lines", "night/c01-001", second)
    assert found.lines == (DROP.strip(),)
    assert in_words(found).startswith("it brings back what night/c01-001 took out (kept, digits")


def test_of_two_steps_that_took_a_line_out_the_last_speaks(store: Store) -> None:
    at = baseline(store, "net", f"x = conv(x)\n{DROP}")
    names = []
    for index in (1, 2, 3):
        source = "x = conv(x)\n" + ("" if index % 2 else DROP) + f"y = {index}\n"
        at = child(store, at, source, index)
        names.append(f"night/c01-00{index}")
    found = tried(store, at, f"x = conv(x)\n{DROP}y = 3\n")
    assert [each.name for each in found if each.kind == "removed-lines"] == [names[2]]


@pytest.mark.parametrize("line", ["# a comment", "pass", "[[[[[]]]]]", "x = 12"])
def test_lines_that_say_nothing_may_come_back(store: Store, line: str) -> None:
    first = baseline(store, "net", f"x = conv(x)\n{line}\n")
    second = child(store, first, "x = conv(x)\n", 1)
    assert not tried(store, second, f"x = conv(x)\ny = 1\n{line}\n")


def test_a_delta_that_was_tried_on_another_parent_is_reported(store: Store) -> None:
    one = baseline(store, "one", "x = conv(x)\nx = head(x)\n")
    other = baseline(store, "other", "a = 1\n\n    x = conv(x)\nb = 2\n")
    begun = pending(one, index=1)
    store.reserve(begun)
    failed = rejected(begun, architecture=Architecture(source=DROP + "x = head(x)\n", hparams={}))
    reason = Rejection(stage="build", code="forward", message="")
    store.finish(failed.model_copy(update={"rejection": reason}))
    [found] = tried(store, other, f"a = 1\n{DROP}b = 2\n")
    assert (found.kind, found.name) == ("same-delta", "night/c01-001")
    assert in_words(found).endswith("night/c01-001 (rejected, build: forward)")


def test_an_answer_that_did_not_apply_is_no_idea(store: Store) -> None:
    parent = baseline(store, "net", "x = conv(x)\n")
    begun = pending(parent)
    store.reserve(begun)
    store.finish(rejected(begun))
    assert not tried(store, parent, "x = conv(x)\n")


def test_a_candidate_does_not_repeat_itself(store: Store) -> None:
    parent = baseline(store, "net", "x = conv(x)\n")
    own = child(store, parent, "x = conv(x)\ny = relu(x)\n", 1)
    index = NoveltyIndex(Catalogue(store))
    report = index.check("x = conv(x)\ny = relu(x)\n", leave_out=own, parent=parent)
    assert report.tried == ()
