"""The real server over HTTP, with three tokens."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from deltanas_mcp.http.settings import HttpSettings
from deltanas_mcp.jobs.locks import DeviceLock
from deltanas_mcp.server import ServerSettings
from deltanas_repo_store.repository.git import create_repository
from tests.deltanas_mcp.http.issuer import Issuer, issuing
from tests.deltanas_mcp.http.serving import TOKENS, app_of, serving

Serve = Callable[[HttpSettings], AbstractContextManager[str]]


@pytest.fixture
def serve(store_path: Path) -> Serve:
    """Serve a store with two baselines as settings say."""
    return lambda settings: serving(app_of(ServerSettings(store=store_path), settings))


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Where a server of an empty store is, for tests of what never gets to a tool."""
    path = tmp_path_factory.mktemp("doors") / "store"
    create_repository(path)
    settings = HttpSettings(tokens=TOKENS)
    with serving(app_of(ServerSettings(store=path), settings)) as address:
        yield address


@pytest.fixture
def busy_device(cache: Path) -> Generator[None]:
    """Have another store's job on the device: jobs wait for it, and change nothing."""
    held = DeviceLock(cache / "devices", "cpu").try_take()
    assert held is not None
    yield
    held.release()


@pytest.fixture
def url(serve: Serve) -> Generator[str]:
    """Where the server with the three tokens is."""
    with serve(HttpSettings(tokens=TOKENS)) as address:
        yield address


@pytest.fixture
def issuer() -> Generator[Issuer]:
    """An authorization server that is up."""
    with issuing() as known:
        yield known
