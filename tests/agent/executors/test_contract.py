"""What every executor promises, whether it trains here or on a cluster."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from threading import Barrier, Event
from typing import TYPE_CHECKING

import pytest

from deltanas_agent.config import Measurement
from deltanas_agent.executors import Cluster, Executor, LocalExecutor, Training
from deltanas_agent.trainers import Place, Trainers
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import ConfigError, SandboxError, TrainError
from deltanas_repo_store.records import Evaluation
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Sandbox
from deltanas_tools.train_one_epoch import train_one_epoch
from deltanas_tools.transforms import parse
from tests.agent.executors.patience import until

if TYPE_CHECKING:
    from tests.agent.executors.clusters import Nodes

WIDE = baselines()["wide-net"]
Begin = Callable[[], Executor]


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.slow)])
def begin(request: pytest.FixtureRequest, digits: Dataset) -> Generator[Begin]:
    """Begins an executor with two places, on data that each machine has prepared."""
    with ExitStack() as opened:

        def local() -> Executor:
            trainers = Trainers([Place(Sandbox(), "cpu") for _ in range(2)])
            return opened.enter_context(closing(LocalExecutor(trainers, lambda _: digits)))

        def ray() -> Executor:
            from deltanas_agent.executors.ray_executor import RayExecutor
            from deltanas_mcp.wiring import prepare_dataset

            executor = opened.enter_context(
                closing(RayExecutor(Cluster(address=nodes.address), prepare_dataset))
            )
            until(lambda: len(executor) == 2)
            return executor

        if request.param == "ray":
            nodes: Nodes = request.getfixturevalue("nodes")
        yield ray if request.param == "ray" else local


Train = Callable[..., Training]


def facts(evaluation: Evaluation) -> dict[str, object]:
    """What a measurement says apart from what a clock does."""
    clocks = {"seconds", "cpu_seconds", "construct_cpu_seconds", "score_cpu_seconds", "flags"}
    return evaluation.model_dump(exclude={*clocks, "peak_memory_bytes", "curve"})


def test_a_training_ends_as_one_without_an_executor_to_the_bit(
    begin: Begin, training: Train, digits: Dataset, sandbox: Sandbox
) -> None:
    wanted = training(seed=7, epochs=2, transform="norm_32_flip")
    ended = begin().submit(wanted).result()
    directly = train_one_epoch(
        wanted.architecture,
        digits,
        sandbox=sandbox,
        seed=7,
        limits=Measurement().train_limits(),
        epochs=2,
        transform=parse("norm_32_flip"),
    )
    assert facts(ended.trained().evaluation) == facts(directly.evaluation)


def test_trainings_run_side_by_side_and_tell_of_their_epochs(begin: Begin, training: Train) -> None:
    executor = begin()
    both = Barrier(2, timeout=100)
    told: list[int] = []

    def tell(epochs: int) -> None:
        told.append(epochs)
        if epochs == 1:
            both.wait()

    futures = [executor.submit(training(seed=seed, epochs=2), tell) for seed in (1, 2)]
    assert all(future.result().trained().evaluation.epochs == 2 for future in futures)
    assert len(executor) == 2
    assert set(told) >= {1, 2}


def test_a_candidates_fault_comes_as_what_it_is(begin: Begin, training: Train) -> None:
    forward = "    def forward(self, x):\n"
    failing = f"{forward}        print('so far')\n        raise ValueError('no further')\n"
    source = WIDE.source.replace(forward, failing)
    crashing = training(WIDE.model_copy(update={"source": source}))
    ended = begin().submit(crashing).result()
    with pytest.raises(TrainError, match="no further") as raised:
        ended.trained()
    assert raised.value.code == "error"
    assert "so far" in raised.value.output
    assert ended.seconds > 0


def test_other_bytes_than_those_asked_for_are_not_trained_on(begin: Begin, training: Train) -> None:
    other = training().model_copy(update={"dataset_digest": "0" * 16})
    with pytest.raises(ConfigError, match="expected 0000000000000000"):
        begin().submit(other).result()


def test_what_waits_can_be_cancelled(begin: Begin, training: Train) -> None:
    executor = begin()
    running = [executor.submit(training(seed=seed, epochs=3)) for seed in (1, 2)]
    waiting = executor.submit(training(seed=3))
    assert waiting.cancel()
    assert all(future.result().trained().evaluation.seed in (1, 2) for future in running)


def test_closing_ends_what_runs_and_drops_what_waits(begin: Begin, training: Train) -> None:
    executor = begin()
    begun = Event()
    running = executor.submit(training(epochs=100_000, train_seconds=1000), lambda _: begun.set())
    others = [executor.submit(training(epochs=100_000, train_seconds=1000)) for _ in range(2)]
    assert begun.wait(100)
    executor.close()
    with pytest.raises(SandboxError, match="closed"):
        running.result(timeout=0)
    assert others[-1].cancelled()


def test_nothing_begins_after_the_end(begin: Begin, training: Train) -> None:
    executor = begin()
    executor.close()
    with pytest.raises((RuntimeError, SandboxError)):
        executor.submit(training())
