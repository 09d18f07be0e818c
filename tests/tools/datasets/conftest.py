"""The data sets in miniature, and a server on this machine that has their files."""

import threading
from collections.abc import Generator
from functools import cache

import pytest

from tests.tools.datasets import miniatures
from tests.tools.datasets.miniatures import Miniature, Server

NAMES = (
    *("mnist", "fashion-mnist", "cifar-10", "cifar-100"),
    *("svhn", "imagenette", "celeba-gender"),
)


@cache
def made() -> dict[str, Miniature]:
    """Make all, once: their files do not change."""
    all_of_them = (
        miniatures.mnist("mnist", "MNIST"),
        miniatures.mnist("fashion-mnist", "FashionMNIST"),
        miniatures.cifar("cifar-10", "CIFAR10", 10),
        miniatures.cifar("cifar-100", "CIFAR100", 100),
        miniatures.svhn(),
        miniatures.imagenette(),
        miniatures.celeba(),
    )
    return {each.name: each for each in all_of_them}


@pytest.fixture
def server() -> Generator[Server]:
    with Server() as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


@pytest.fixture(params=NAMES)
def miniature(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, server: Server
) -> Miniature:
    """A data set in miniature; the server has its published files."""
    chosen = made()[request.param]
    chosen.install(monkeypatch, server.url)
    server.files.update(chosen.archives)
    return chosen


def only(name: str) -> pytest.MarkDecorator:
    """Run a test with one of the miniatures."""
    return pytest.mark.parametrize("miniature", [name], indirect=True)
