"""Settings of the whole suite, and the two things that cost seconds to make."""

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

from deltanas_tools.datasets import Dataset, prepare
from deltanas_tools.sandbox import Sandbox

# The same examples everywhere, and no clock: a slow machine is not a bug.
settings.register_profile("deltanas", deadline=None, derandomize=True)
settings.load_profile("deltanas")


MEMORY = Path("/dev/shm")
NEEDED_BYTES = 4 * 2**30
"""Far more than all temporary folders of the suite together."""


def pytest_configure(config: pytest.Config) -> None:
    """Keep temporary folders in memory where there is enough: stores wait for every write."""
    is_chosen = config.option.basetemp is not None or "PYTEST_DEBUG_TEMPROOT" in os.environ
    if not is_chosen and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > NEEDED_BYTES:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(MEMORY)


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
