"""The real server over HTTP, with three tokens."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from deltanas_mcp.http.settings import HttpSettings
from deltanas_mcp.server import ServerSettings
from tests.deltanas_mcp.http.serving import TOKENS, app_of, serving

Serve = Callable[[HttpSettings], AbstractContextManager[str]]


@pytest.fixture
def serve(store_path: Path) -> Serve:
    """Serve a store with two baselines as settings say."""
    return lambda settings: serving(app_of(ServerSettings(store=store_path), settings))


@pytest.fixture
def url(serve: Serve) -> Generator[str]:
    """Where the server with the three tokens is."""
    with serve(HttpSettings(tokens=TOKENS)) as address:
        yield address
