"""Listing refs while others write them: what vanishes meanwhile is no damage."""

from collections.abc import Sequence
from pathlib import Path

import git
import pytest

from deltanas_repo_store.errors import StoreBusy, StoreCorrupt
from deltanas_repo_store.repository import ref_listing
from deltanas_repo_store.store import Store
from tests.records_for_tests import PARENT

REF = "refs/pending/night/c01-001"


class Racing:
    """Git's listing, which first finds a ref broken a number of times."""

    def __init__(self, times: int) -> None:
        self.left = times
        self._list = ref_listing._for_each_ref

    def __call__(
        self, repository: Path, runner: git.Git, prefixes: Sequence[str]
    ) -> tuple[str, str | None]:
        self.left -= 1
        listing, broken = self._list(repository, runner, prefixes)
        return (listing, REF) if self.left >= 0 else (listing, broken)


@pytest.mark.parametrize("content", [None, "1" * 40 + "\n"], ids=["removed", "written again"])
def test_a_ref_that_changes_while_refs_are_listed_is_no_damage(
    git_store: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    path, store = git_store
    store.import_baseline("plain", PARENT)
    if content is not None:
        (path / REF).parent.mkdir(parents=True)
        (path / REF).write_text(content)
    monkeypatch.setattr(ref_listing, "_for_each_ref", Racing(3))
    assert list(store.repository.refs("refs/heads/")) == ["refs/heads/baseline/plain"]


def test_refs_that_never_rest_are_a_reason_to_try_again(
    git_store: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store = git_store
    monkeypatch.setattr(ref_listing, "_for_each_ref", Racing(ref_listing.LISTINGS))
    with pytest.raises(StoreBusy):
        store.repository.refs("refs/")


def test_a_ref_with_nonsense_in_it_is_damage(git_store: tuple[Path, Store]) -> None:
    path, store = git_store
    (path / REF).parent.mkdir(parents=True)
    (path / REF).write_text("nonsense\n")
    with pytest.raises(StoreCorrupt, match=REF):
        store.repository.refs("refs/")
