"""Settings of the whole suite, and the two things that cost seconds to make."""

from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from deltanas_tools.datasets import Dataset, prepare
from deltanas_tools.sandbox import Sandbox

# The same examples everywhere, and no clock: a slow machine is not a bug.
settings.register_profile("deltanas", deadline=None, derandomize=True)
settings.load_profile("deltanas")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def digits(cache: Path) -> Dataset:
    return prepare("digits", cache=cache)


@pytest.fixture(scope="session")
def sandbox() -> Generator[Sandbox]:
    with Sandbox() as warm:
        yield warm
