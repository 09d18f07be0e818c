"""The baselines are small, agree with their hyper-parameters, build, and learn at both shapes."""

import ast
import json
import subprocess
import sys
from dataclasses import dataclass

import pytest
from pydantic import TypeAdapter

from deltanas_repo_store.baselines import baseline_names, baselines

SHAPES = {"digits": (16, 1, 28, 28), "cifar-10": (16, 3, 32, 32)}

TRIAL = """
import json, sys
import torch

torch.set_num_threads(1)
networks, shapes = json.load(sys.stdin)
results = {}
for name, (source, hparams) in networks.items():
    prm = hparams | {"dropout": 0.0}  # so that no path is left out at random
    for dataset, shape in shapes.items():
        torch.manual_seed(0)
        namespace = {"__name__": "baseline"}
        exec(source, namespace)
        net = namespace["Net"](tuple(shape), (10,), prm, torch.device("cpu"))
        net.train_setup(prm)
        before = [parameter.detach().clone() for parameter in net.parameters()]
        returned = net.learn([(torch.randn(3, *shape[1:]), torch.tensor([0, 4, 9]))])
        net.eval()
        with torch.no_grad():
            logits = net(torch.randn(5, *shape[1:]))
        results[f"{name} {dataset}"] = {
            "logits_shape": logits.shape,
            "logits_are_finite": bool(torch.isfinite(logits).all()),
            "num_params": sum(parameter.numel() for parameter in net.parameters()),
            "every_parameter_moved": not any(map(torch.equal, before, net.parameters())),
            "learn_returns_none": returned is None,
        }
json.dump(results, sys.stdout)
"""


@dataclass(frozen=True)
class Trial:
    """What a child process saw of one baseline at one input shape."""

    logits_shape: tuple[int, ...]
    logits_are_finite: bool
    num_params: int
    every_parameter_moved: bool
    learn_returns_none: bool


@pytest.fixture(scope="session")
def trials() -> dict[str, Trial]:
    """Train every baseline for one step at both shapes, in one child that imports torch once."""
    networks = {name: (net.source, dict(net.hparams)) for name, net in baselines().items()}
    child = subprocess.run(
        [sys.executable, "-I", "-c", TRIAL],
        input=json.dumps((networks, SHAPES)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert child.returncode == 0, child.stderr
    return TypeAdapter(dict[str, Trial]).validate_json(child.stdout)


def test_there_are_at_least_ten_baselines() -> None:
    assert len(baseline_names()) >= 10


def test_the_baselines_come_in_the_order_of_their_names() -> None:
    assert tuple(baselines()) == baseline_names() == tuple(sorted(baseline_names()))


@pytest.mark.parametrize("name", baseline_names())
def test_a_baseline_is_short_enough_to_read(name: str) -> None:
    assert len(baselines()[name].source.splitlines()) < 110


@pytest.mark.parametrize("name", baseline_names())
def test_a_baseline_imports_nothing_but_torch(name: str) -> None:
    modules = set()
    for node in ast.walk(ast.parse(baselines()[name].source)):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    assert modules <= {"torch", "torch.nn.functional"}


@pytest.mark.parametrize("name", baseline_names())
def test_the_hyperparameters_are_the_supported_ones_and_the_batch(name: str) -> None:
    architecture = baselines()[name]
    supported = next(
        ast.literal_eval(node.value)
        for function in ast.parse(architecture.source).body
        if isinstance(function, ast.FunctionDef) and function.name == "supported_hyperparameters"
        for node in function.body
        if isinstance(node, ast.Return) and node.value is not None
    )
    assert architecture.hparams.keys() == supported | {"batch"}


@pytest.mark.parametrize("name", baseline_names())
def test_every_hyperparameter_but_the_batch_is_a_fraction(name: str) -> None:
    hparams = dict(baselines()[name].hparams)
    batch = hparams.pop("batch")
    assert isinstance(batch, int)
    assert batch >= 1
    assert all(isinstance(value, float) and 0 <= value <= 1 for value in hparams.values())


@pytest.mark.parametrize("dataset", SHAPES)
@pytest.mark.parametrize("name", baseline_names())
def test_a_baseline_builds_and_learns(name: str, dataset: str, trials: dict[str, Trial]) -> None:
    trial = trials[f"{name} {dataset}"]
    assert trial.logits_shape == (5, 10)
    assert trial.logits_are_finite
    assert 5_000 <= trial.num_params <= 5_000_000
    assert trial.every_parameter_moved
    assert trial.learn_returns_none
