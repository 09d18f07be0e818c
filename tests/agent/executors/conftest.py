"""Trainings, and a cluster for the tests of a file."""

from collections.abc import Callable, Generator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from deltanas_agent.config import Measurement
from deltanas_agent.executors import Training
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.records import Architecture
from deltanas_tools.datasets import Dataset

if TYPE_CHECKING:
    from tests.agent.executors.clusters import Nodes

WIDE = baselines()["wide-net"]

Train = Callable[..., Training]


@pytest.fixture
def training(digits: Dataset) -> Train:
    def make(architecture: Architecture = WIDE, **conditions: object) -> Training:
        return Training(
            architecture=architecture,
            measurement=Measurement.model_validate(conditions),
            dataset_digest=digits.digest,
        )

    return make


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Generator["Nodes"]:
    if find_spec("ray") is None:
        pytest.skip("the extra ray is not installed")
    from tests.agent.executors.clusters import ray_cluster

    with ray_cluster(Path(tmp_path_factory.mktemp("caches")), "one", "two") as cluster:
        yield cluster
