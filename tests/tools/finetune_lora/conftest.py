"""Settings of these tests."""

from collections.abc import Generator

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Generator[None]:
    """Tiny matrices on two busy cores: threads that wait for each other take 20 times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
