"""The session's warm sandbox as trainers, and how often it was asked."""

from collections.abc import Generator
from typing import Any

import pytest

from deltanas_agent.trainers import Place, Trainers
from deltanas_tools.sandbox import Completed, Failed, Sandbox
from tests.deltanas_mcp.conftest import Lent


class Counted(Lent):
    """Counts the networks that are built."""

    num_runs = 0

    def run(self, *arguments: Any, **options: Any) -> Completed | Failed:
        self.num_runs += 1
        return super().run(*arguments, **options)


@pytest.fixture
def counted(sandbox: Sandbox) -> Counted:
    return Counted(sandbox)


@pytest.fixture
def trainers(counted: Counted) -> Generator[Trainers]:
    with Trainers([Place(counted, "cpu")]) as opened:
        yield opened


@pytest.fixture
def two_trainers(counted: Counted) -> Generator[Trainers]:
    with Trainers([Place(counted, "cpu"), Place(counted, "cpu")]) as opened:
        yield opened
