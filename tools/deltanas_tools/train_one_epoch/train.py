"""The operation, on the parent's side: two children, and a score that only the parent computes."""

from collections.abc import Mapping
from contextlib import ExitStack
from importlib.metadata import version
from typing import Annotated

from pydantic import Field

from deltanas_repo_store.records import (
    PLAIN,
    Architecture,
    CurvePoint,
    Evaluation,
    Flag,
    Precision,
    Record,
)
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Completed, Limits, Sandbox
from deltanas_tools.sandbox.memory_files import memory_file
from deltanas_tools.train_one_epoch.children import (
    Job,
    OnEpoch,
    Report,
    ScoredSplit,
    epoch_of,
)
from deltanas_tools.train_one_epoch.hardware import processor
from deltanas_tools.train_one_epoch.score import score
from deltanas_tools.transforms import Transform, parse

PLAIN_TRANSFORM = parse(PLAIN)
MAX_CURVE_POINTS = 200
"""A child gets a file for each, and no more than `host.MAX_FILES` in all."""
DEFAULT_BATCH = 64
"""Batch size of a network whose hyper-parameters name none."""
_SLOW_CONSTRUCTION_SECONDS = 1.0
FORWARD_PASSES = 3
"""What a training step costs in forward passes: one, and a backward pass of about two."""
EXTRA_COMPUTE = 3.0
"""How many times the explained cost is suspicious; our baselines have 0.6 to 2.0 on the digits."""
_FIXED_SECONDS = 0.1


class Numerics(Record):
    """How a network is computed; an accuracy is comparable with those of the same numerics."""

    device: str = "cpu"
    threads: Annotated[int, Field(ge=1)] = 1
    precision: Precision = "float32"
    channels_last: bool = False
    """Faster convolutions, for networks that do not flatten with ``view``."""


class Trained(Record):
    """A measurement, and what the candidate printed while it was taken."""

    evaluation: Evaluation
    output: str


def train_one_epoch(
    architecture: Architecture,
    dataset: Dataset,
    *,
    sandbox: Sandbox,
    seed: int,
    limits: Limits,
    epochs: int = 1,
    budget_seconds: float | None = None,
    split: ScoredSplit = "search",
    curve: bool = False,
    transform: Transform = PLAIN_TRANSFORM,
    on_epoch: OnEpoch = lambda _: None,
    numerics: Numerics = Numerics(),  # noqa: B008 (frozen)
) -> Trained:
    """Train the network and score it on ``split``; with ``curve``, after each epoch too.

    Of more than 200 epochs, a curve has every second, third and so on.

    No epoch begins after ``budget_seconds`` of training. ``on_epoch`` is told how many epochs have
    ended, by the child's word. On a CPU the same seed gives the same accuracy.

    The limit on memory is one on address space, which CUDA cannot live with: on other devices than
    ``cpu`` it is one on resident memory. The limit on wall time is one on both children.

    Raises:
        TrainError: code ``construct``, ``output-shape``, ``not-finite`` or ``too-large``, or one
            of the sandbox's (``timeout``, ``out-of-memory``, ``crash``, ``error``, ``flood``,
            ``bad-result``).
        SandboxError: the sandbox cannot be started; the candidate is not to blame.
        ConfigError: the transform cannot be applied to the data set's images.
    """
    if numerics.device != "cpu":
        resident = {"memory_bytes": None, "resident_bytes": limits.memory_bytes}
        limits = limits.model_copy(update=resident)
    payload = {
        **_asked(architecture, dataset, transform),
        "memory_bytes": limits.memory_bytes,
        "seed": seed,
        **numerics.model_dump(),
    }
    job = Job(dataset, sandbox, limits, payload)
    names = [*(_curve_files(epochs) if curve else ()), "weights"]
    with ExitStack() as files:
        weights = {name: files.enter_context(memory_file(name)) for name in names}
        trained, report, filled, contents = job.train(
            weights, epochs=epochs, budget_seconds=budget_seconds, on_epoch=on_epoch
        )
        scored, logits = job.predict(
            filled, split, seconds_left=limits.wall_seconds - trained.seconds
        )
    labels = dataset.labels(split)
    scores = [score(each, labels) for each in logits]
    forward = _forward_seconds(scored, len(labels) * len(logits), batch_size(architecture))
    evaluation = Evaluation(
        dataset=dataset.name,
        dataset_digest=dataset.digest,
        split=split,
        transform=transform.name,
        epochs=report.epochs,
        seed=seed,
        accuracy=scores[-1][0],
        loss=scores[-1][1],
        **contents.model_dump(),
        seconds=trained.seconds + scored.seconds,
        cpu_seconds=trained.cpu_seconds + scored.cpu_seconds,
        construct_cpu_seconds=trained.marks[0].cpu_seconds,
        score_cpu_seconds=scored.cpu_seconds,
        peak_memory_bytes=max(trained.peak_memory_bytes, scored.peak_memory_bytes),
        peak_gpu_bytes=max(trained.peak_gpu_bytes, scored.peak_gpu_bytes),
        isolation=sandbox.isolation,
        **numerics.model_dump(),
        torch_version=version("torch"),
        processor=processor(numerics.device),
        budget_seconds=budget_seconds,
        curve=_curve(dict(zip(filled, scores, strict=True)), trained),
        flags=_flags(trained, report, dataset.num_train * forward),
    )
    return Trained(evaluation=evaluation, output=trained.output)


def _asked(architecture: Architecture, dataset: Dataset, transform: Transform) -> dict[str, object]:
    """Return what both children need to know of the network and of its images."""
    return {
        "source": architecture.source,
        "hparams": dict(architecture.hparams),
        "in_shape": list(in_shape(architecture, dataset, transform)),
        "num_classes": dataset.num_classes,
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "transform": transform.name,
    }


def in_shape(
    architecture: Architecture, dataset: Dataset, transform: Transform
) -> tuple[int, int, int, int]:
    """Return ``(batch, channels, height, width)``, as a network's constructor gets it.

    Raises:
        ConfigError: the transform cannot be applied to the data set's images.
    """
    return (batch_size(architecture), *transform.image_shape(*dataset.image_shape))


def batch_size(architecture: Architecture) -> int:
    """Return the batch size among the hyper-parameters, or the default."""
    batch = architecture.hparams.get("batch", DEFAULT_BATCH)
    return batch if isinstance(batch, int) and batch > 0 else DEFAULT_BATCH


def _curve_files(epochs: int) -> list[str]:
    """Return the names of the files for the weights after an epoch, as many as there can be."""
    step = -(-epochs // MAX_CURVE_POINTS)
    return [f"epoch-{epoch}" for epoch in range(step, epochs + 1, step)]


def _curve(scores: Mapping[str, tuple[float, float]], trained: Completed) -> tuple[CurvePoint, ...]:
    """Return the points of the files that hold weights after an epoch."""
    epochs = {epoch_of(name): score for name, score in scores.items()}
    return tuple(
        CurvePoint(
            epoch=epoch,
            accuracy=accuracy,
            loss=loss,
            cpu_seconds=trained.marks[epoch].cpu_seconds,
        )
        for epoch, (accuracy, loss) in epochs.items()
        if epoch is not None
    )


def _forward_seconds(scored: Completed, num_logits: int, batch: int) -> float:
    """Return the CPU seconds of a forward pass for an image, its way to the network included."""
    if len(scored.marks) < 2 or num_logits <= batch:
        return scored.cpu_seconds / num_logits
    return (scored.cpu_seconds - scored.marks[1].cpu_seconds) / (num_logits - batch)


def _flags(trained: Completed, report: Report, epoch_forward_seconds: float) -> tuple[Flag, ...]:
    """Judge by the clocks, and by how many batches were drawn."""
    flags: list[Flag] = []
    construction = trained.marks[0].cpu_seconds
    if construction > max(_SLOW_CONSTRUCTION_SECONDS, trained.cpu_seconds / 2):
        flags.append("slow-construction")
    if report.passes > report.epochs:
        flags.append("extra-passes")
    if report.passes < report.epochs:
        flags.append("partial-pass")
    training = trained.marks[report.epochs].cpu_seconds - construction
    explained = FORWARD_PASSES * epoch_forward_seconds * report.epochs
    if training > EXTRA_COMPUTE * explained + _FIXED_SECONDS:
        flags.append("extra-compute")
    return tuple(flags)
