"""One store fixture for both repositories, so that every claim is proved of both."""

from collections.abc import Generator
from pathlib import Path

import pytest

from deltanas_repo_store.repository import MemoryRepository, Repository
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.store import Store


@pytest.fixture(params=["memory", "git"])
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[Repository]:
    if request.param == "memory":
        yield MemoryRepository()
        return
    create_repository(tmp_path / "store")
    opened = GitRepository(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def store(repository: Repository) -> Store:
    return Store(repository)


@pytest.fixture
def git_store(tmp_path: Path) -> Generator[tuple[Path, Store]]:
    create_repository(tmp_path / "git-store")
    opened = Store(GitRepository(tmp_path / "git-store"))
    yield tmp_path / "git-store", opened
    opened.close()
