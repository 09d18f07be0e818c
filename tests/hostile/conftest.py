"""One scene per isolated back end and session; where this machine has it not, a skip says why."""

from collections.abc import Generator

import pytest

from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox.isolation import BACKENDS, BackEnd, available, why_not
from tests.hostile.scene import Scene, set_scene


@pytest.fixture(scope="session", params=BACKENDS)
def back_end(request: pytest.FixtureRequest) -> BackEnd:
    name: BackEnd = request.param
    if name not in available():
        pytest.skip(why_not(name))
    return name


@pytest.fixture(
    scope="session",
    params=[False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["cpu-rules", "cuda-rules"],
)
def cuda(request: pytest.FixtureRequest) -> bool:
    """Whether what CUDA needs is open; that can be tried without a GPU too."""
    opened: bool = request.param
    return opened


@pytest.fixture(scope="session")
def scene(back_end: BackEnd, cuda: bool, digits: Dataset) -> Generator[Scene]:
    with set_scene(back_end, digits, cuda=cuda) as scene:
        yield scene
