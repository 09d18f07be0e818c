"""One warm sandbox for all tests: starting its server costs seconds."""

from collections.abc import Generator
from pathlib import Path

import pytest

from deltanas_tools.datasets import Dataset, prepare
from deltanas_tools.sandbox import Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Generator[Sandbox]:
    with Sandbox() as warm:
        yield warm


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    cache: Path = tmp_path_factory.mktemp("cache")
    return prepare("digits", cache=cache)
