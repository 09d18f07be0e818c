"""Training of code that fails, lies or never ends: a typed failure, and the sandbox goes on."""

from collections.abc import Generator
from pathlib import Path

import pytest

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import BuildError, ConfigError, TrainError
from deltanas_repo_store.records import Architecture
from deltanas_tools.checks import check_build, check_interface
from deltanas_tools.datasets import Dataset, prepare
from deltanas_tools.sandbox import Limits, Sandbox
from deltanas_tools.train_one_epoch import train_one_epoch

WIDE = baselines()["wide-net"]
LIMITS = Limits(wall_seconds=30, memory_bytes=2 * 2**30)
SHORT = Limits(wall_seconds=3, memory_bytes=2 * 2**30)
START = "        super().__init__()\n        self.device = device\n"


def with_init(line: str) -> Architecture:
    """The network with one more line at the start of its constructor."""
    source = WIDE.source.replace(START, f"{START}        {line}\n")
    assert source != WIDE.source
    return Architecture(source=source, hparams=WIDE.hparams)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return prepare("digits", cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def sandbox() -> Generator[Sandbox]:
    with Sandbox() as opened:
        yield opened


def test_the_same_seed_gives_the_same_accuracy(sandbox: Sandbox, dataset: Dataset) -> None:
    first, second = (
        train_one_epoch(WIDE, dataset, sandbox=sandbox, seed=5, limits=LIMITS).evaluation
        for _ in range(2)
    )
    assert first.accuracy == second.accuracy > 0.5


@pytest.mark.parametrize(
    ("line", "limits", "codes"),
    [
        pytest.param("while True: pass", SHORT, {"timeout"}, id="never ends"),
        pytest.param("__import__('time').sleep(99)", SHORT, {"timeout"}, id="sleeps"),
        pytest.param("__import__('os')._exit(0)", LIMITS, {"crash"}, id="leaves early"),
        pytest.param("__import__('ctypes').string_at(0)", LIMITS, {"crash"}, id="segfault"),
        pytest.param("torch.empty(2**40)", LIMITS, {"out-of-memory", "error"}, id="memory"),
        pytest.param("raise ValueError('x' * 10**6)", LIMITS, {"error", "construct"}, id="raises"),
    ],
)
def test_a_network_that_fails_is_a_typed_failure(
    sandbox: Sandbox, dataset: Dataset, line: str, limits: Limits, codes: set[str]
) -> None:
    with pytest.raises(TrainError) as caught:
        train_one_epoch(with_init(line), dataset, sandbox=sandbox, seed=1, limits=limits)
    assert caught.value.code in codes
    assert len(str(caught.value)) < 10_000


def test_a_network_that_builds_reports_its_parameters(sandbox: Sandbox) -> None:
    build = check_build(
        WIDE, in_shape=(4, 1, 28, 28), num_classes=10, sandbox=sandbox, limits=LIMITS
    )
    assert build.num_params > 5000


@pytest.mark.parametrize(
    "source", ["", "x = (", "x = 1\0", "class Net: pass", "(" * 9000, "x = '\ud800'"]
)
def test_a_source_without_the_interface_is_refused(source: str) -> None:
    with pytest.raises(BuildError):
        check_interface(source)


@pytest.mark.parametrize("name", ["nosuch", "cifar-10"])
def test_a_data_set_that_is_not_there_is_an_error_that_helps(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"digits|deltanas datasets fetch cifar-10"):
        prepare(name, cache=tmp_path / "cache", source=tmp_path / "nothing")


def test_the_splits_of_digits_are_1197_300_and_300(dataset: Dataset) -> None:
    assert (dataset.num_train, dataset.num_search, dataset.num_test) == (1197, 300, 300)
