"""A workbench on a real store with two small baselines."""

from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from deltanas_mcp.wiring import Workbench, open_store
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.git_repository import create_repository
from deltanas_tools.sandbox import Sandbox


@pytest.fixture(autouse=True)
def isolated(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTANAS_CACHE", str(cache))
    monkeypatch.delenv("DELTANAS_STORE", raising=False)
    monkeypatch.delenv("DELTANAS_DATA", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    """A store with two baselines that train in a second."""
    path = tmp_path / "store"
    create_repository(path)
    shipped = baselines()
    with open_store(path) as store:
        for name in ("shuffle-net", "plain-cnn"):
            store.import_baseline(name, shipped[name])
    return path


@pytest.fixture
def bench(store_path: Path, sandbox: Sandbox) -> Generator[Workbench]:
    with open_store(store_path) as store, ExitStack() as opened:
        yield Workbench(store, opened, {("auto", False): sandbox})
