"""On a GPU: the same walls and the same numbers, and nothing is left in its memory."""

import subprocess
import sys
from collections.abc import Callable, Generator

import pytest
import torch

from deltanas_agent.trainers import Place, Trainers
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import TrainError
from deltanas_repo_store.records import Evaluation
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Limits, Sandbox
from deltanas_tools.sandbox.gpu_memory import by_process
from deltanas_tools.sandbox.isolation import BACKENDS, BackEnd, available, why_not
from deltanas_tools.train_one_epoch import Numerics, train_one_epoch
from deltanas_tools.transforms import parse
from tests.networks_for_tests import architecture, network

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")

LIMITS = Limits(wall_seconds=60)
FLOAT32 = Numerics(device="cuda")
GREEDY = """\
import time, torch
kept = torch.ones(2**28, device="cuda")
torch.cuda.synchronize()
print("held", flush=True)
time.sleep(1000)
"""
ALL_OF_IT = "import torch\nkept = [torch.ones(2**34, device='cuda') for _ in range(9)]"
VICTIM = """\
import torch, time
kept = torch.ones(2**20, device="cuda")
print("ready", flush=True)
time.sleep(1000)
"""


@pytest.fixture(scope="module", params=[*BACKENDS, "none"])
def on_gpu(request: pytest.FixtureRequest) -> Generator[Sandbox]:
    name: BackEnd = request.param
    if name in BACKENDS and name not in available():
        pytest.skip(why_not(name))
    with Sandbox(name, cuda=True) as sandbox:
        yield sandbox


Measure = Callable[..., Evaluation]


@pytest.fixture
def measure(on_gpu: Sandbox, digits: Dataset) -> Measure:
    def run(numerics: Numerics = FLOAT32, transform: str = "norm", epochs: int = 1) -> Evaluation:
        return train_one_epoch(
            baselines()["wide-net"],
            digits,
            sandbox=on_gpu,
            seed=1,
            limits=LIMITS,
            epochs=epochs,
            transform=parse(transform),
            numerics=numerics,
        ).evaluation

    return run


def failure(sandbox: Sandbox, digits: Dataset, module: str, wall_seconds: float) -> TrainError:
    with pytest.raises(TrainError) as caught:
        train_one_epoch(
            architecture(network(module=module)),
            digits,
            sandbox=sandbox,
            seed=1,
            limits=Limits(wall_seconds=wall_seconds),
            numerics=FLOAT32,
        )
    return caught.value


def test_a_network_learns_behind_the_walls(on_gpu: Sandbox, measure: Measure) -> None:
    evaluation = measure()
    assert evaluation.accuracy > 0.7
    assert (evaluation.device, evaluation.isolation) == ("cuda", on_gpu.isolation)
    assert evaluation.processor == torch.cuda.get_device_name()


def test_the_memory_it_took_is_seen_from_outside(measure: Measure) -> None:
    assert measure(epochs=3).peak_gpu_bytes > 2**27


@pytest.mark.parametrize(
    "numerics",
    [
        Numerics(device="cuda", precision="bf16"),
        Numerics(device="cuda:0", channels_last=True),
        Numerics(device="cuda", precision="bf16", channels_last=True),
    ],
    ids=["bf16", "channels-last", "both"],
)
def test_other_numerics_learn_as_well(measure: Measure, numerics: Numerics) -> None:
    assert measure(numerics).accuracy == pytest.approx(measure().accuracy, abs=0.1)


@pytest.mark.parametrize("transform", ["norm_32_flip", "norm_64_flip", "echo_32"])
def test_images_are_transformed_on_the_device(measure: Measure, transform: str) -> None:
    assert measure(transform=transform).accuracy > 0.3


def test_a_time_out_leaves_nothing_in_its_memory(on_gpu: Sandbox, digits: Dataset) -> None:
    before = by_process()
    error = failure(on_gpu, digits, GREEDY, 12)
    assert (error.code, error.output) == ("timeout", "held\n")
    assert by_process() == before


def test_a_network_that_wants_all_of_it_fails_alone(on_gpu: Sandbox, digits: Dataset) -> None:
    assert failure(on_gpu, digits, ALL_OF_IT, 60).code == "out-of-memory"


def test_processes_of_others_are_left_alone(on_gpu: Sandbox, digits: Dataset) -> None:
    with subprocess.Popen([sys.executable, "-c", VICTIM], stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"
        held = by_process()
        failure(on_gpu, digits, GREEDY, 12)
        assert victim.poll() is None
        assert by_process() == held
        victim.kill()


def test_two_train_side_by_side_on_one_device(digits: Dataset) -> None:
    def job(place: Place) -> float:
        return train_one_epoch(
            baselines()["wide-net"],
            digits,
            sandbox=place.sandbox,
            seed=1,
            limits=LIMITS,
            numerics=Numerics(device=place.device),
        ).evaluation.accuracy

    with Trainers([Place(Sandbox(cuda=True), "cuda:0") for _ in range(2)]) as trainers:
        futures = [trainers.submit(job) for _ in range(4)]
        assert min(future.result() for future in futures) > 0.7
