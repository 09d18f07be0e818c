"""The catalogue: computed once, kept beside the store, and true to the store whatever changes."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltanas_repo_store.records import Architecture, ArchitectureId, Check
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.store import Store
from deltanas_tools.novelty_check import Catalogue, NoveltyIndex
from deltanas_tools.novelty_check.catalogue import BATCH
from tests.records_for_tests import kept, pending, rejected

TRACE = "ab" * 16


class Counting(Store):
    """A store that counts the architectures that were read."""

    num_read = 0

    def get(self, architecture_id: ArchitectureId) -> Architecture:
        """Return an architecture."""
        self.num_read += 1
        return super().get(architecture_id)


def architecture(number: int) -> Architecture:
    source = "\n".join(f"x{n} = f{n}({n if n % 40 else number})" for n in range(1, 80))
    return Architecture(source=f"{source}\nz = {number}\n", hparams={})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    create_repository(tmp_path / "store")
    return tmp_path / "store"


def fill(store: Store, count: int) -> list[ArchitectureId]:
    return [store.import_baseline(f"net{n:03}", architecture(n)) for n in range(count)]


def test_what_was_computed_is_not_computed_again(path: Path) -> None:
    store = Store(GitRepository(path))
    fill(store, 5)
    Catalogue(store).refresh()
    store.close()
    again = Counting(GitRepository(path))
    catalogue = Catalogue(again)
    catalogue.refresh()
    assert (len(catalogue.signatures), again.num_read) == (5, 0)
    again.close()


def test_a_branch_that_plain_git_deletes_is_compared_no_longer(path: Path) -> None:
    store = Store(GitRepository(path))
    fill(store, 3)
    index = NoveltyIndex(Catalogue(store))
    source = architecture(1).source
    assert index.check(source).exact_duplicate_of is not None
    command = ["git", "-C", str(path), "branch", "-D", "baseline/net001"]
    subprocess.run(command, check=True, capture_output=True)
    report = index.check(source)
    assert report.exact_duplicate_of is None
    assert {each.name for each in report.neighbours} == {"net000", "net002"}
    store.close()


def test_a_deleted_index_is_made_anew_under_a_running_process(path: Path) -> None:
    store = Store(GitRepository(path))
    fill(store, 3)
    index = NoveltyIndex(Catalogue(store))
    before = index.check(architecture(1).source)
    store.index.rebuild()
    assert index.check(architecture(1).source) == before
    store.close()


def test_an_interrupted_computation_goes_on_where_it_was() -> None:
    store = Counting(MemoryRepository())
    fill(store, 2 * BATCH + 1)
    store.num_read = 0

    def interrupt(what: str, done: int, total: int) -> None:
        assert (what, done, total) == ("novelty", BATCH, 2 * BATCH + 1)
        raise KeyboardInterrupt

    catalogue = Catalogue(store)
    with pytest.raises(KeyboardInterrupt):
        catalogue.fill(interrupt)
    catalogue.refresh()
    assert (len(catalogue.signatures), store.num_read) == (2 * BATCH + 1, 2 * BATCH + 1)


def test_what_no_parser_reads_is_passed_over_once_and_for_all() -> None:
    store = Counting(MemoryRepository())
    store.import_baseline("broken", Architecture(source="def f(:", hparams={}))
    store.import_baseline("net", architecture(1))
    for _ in range(2):
        assert len(NoveltyIndex(Catalogue(store)).check("x = 1").neighbours) == 1
    assert store.num_read <= 4


actions = st.lists(st.one_of(st.integers(0, 5), st.just("delete"), st.just("rebuild")), max_size=12)


@given(actions)
@settings(max_examples=20, deadline=None)
def test_a_catalogue_that_follows_says_what_a_new_one_says(done: list[int | str]) -> None:
    store = Store(MemoryRepository())
    following = NoveltyIndex(Catalogue(store))
    for number, action in enumerate(done):
        if action == "rebuild":
            store.index.rebuild()
        elif action == "delete":
            delete_one(store)
        else:
            store.import_baseline(f"net{number}", architecture(int(action)))
        asked = architecture(number % 6).source
        assert following.check(asked) == NoveltyIndex(Catalogue(store)).check(asked)


def delete_one(store: Store) -> None:
    from deltanas_repo_store.repository import RefChange

    for ref, old in list(store.repository.refs("refs/heads/").items())[:1]:
        store.repository.update([RefChange(ref, old, None)])


def test_the_nearest_are_named_with_how_they_fared() -> None:
    store = Store(MemoryRepository())
    parent = store.import_baseline("net", architecture(0))
    begun = pending(parent)
    store.reserve(begun)
    store.finish(kept(begun, architecture=architecture(1)))
    report = NoveltyIndex(Catalogue(store)).check(architecture(1).source + "k = 1\n")
    assert [(each.name, each.fate) for each in report.neighbours] == [
        ("night/c01-001", "kept, digits 0.9000 (+0.0500)"),
        ("net", "a baseline"),
    ]
    assert report.neighbours[0].similarity == report.similarity > report.neighbours[1].similarity


@pytest.mark.parametrize(("with_parent", "nearest"), [(True, "parent"), (False, "other")])
def test_the_parents_text_counts_only_where_it_is_asked_for(
    with_parent: bool, nearest: str
) -> None:
    store = Store(MemoryRepository())
    parent = store.import_baseline("parent", architecture(0))
    store.import_baseline("copy-of-parent", architecture(0))
    store.import_baseline("other", Architecture(source="y = g(1)\n", hparams={}))
    index = NoveltyIndex(Catalogue(store), with_parent=with_parent)
    report = index.check(architecture(1).source, parent=parent)
    assert report.neighbours[0].name.endswith(nearest)
    assert report.is_novel is not with_parent


def test_a_twin_of_the_parent_is_one_wherever_the_parents_text_counts() -> None:
    store = Store(MemoryRepository())
    parent = store.import_baseline("parent", architecture(0))
    report = NoveltyIndex(Catalogue(store)).check(architecture(0).source + "# x", parent=parent)
    assert (report.exact_duplicate_of, report.nearest, report.is_novel) == (parent, None, False)


def test_a_network_that_computes_what_a_candidate_does_is_not_novel() -> None:
    store = Store(MemoryRepository())
    begun = pending(store.import_baseline("net", architecture(0)))
    store.reserve(begun)
    outcome = kept(begun, architecture=architecture(1)).model_copy(update={"trace": TRACE})
    other = store.finish(outcome)
    report = NoveltyIndex(Catalogue(store)).check("x = 1", trace=TRACE)
    assert (report.same_computation_as, report.is_novel) == (other, False)


def test_a_baseline_that_was_checked_is_known_by_what_it_computes() -> None:
    store = Store(MemoryRepository())
    first, second = fill(store, 2)
    for each in (first, second):
        store.add_check(each, Check(input="3x32x32-10", trace=TRACE))
    index = NoveltyIndex(Catalogue(store))
    assert index.check("x = 1", trace=TRACE).same_computation_as == first
    report = index.check(architecture(0).source, leave_out=first)
    assert report.same_computation_as == second


def test_what_an_earlier_gate_refused_says_nothing_of_computation() -> None:
    store = Store(MemoryRepository())
    begun = pending(store.import_baseline("net", architecture(0)))
    store.reserve(begun)
    refused = rejected(begun, architecture=architecture(1))
    store.finish(refused.model_copy(update={"trace": TRACE}))
    assert NoveltyIndex(Catalogue(store)).check("x = 1", trace=TRACE).is_novel
