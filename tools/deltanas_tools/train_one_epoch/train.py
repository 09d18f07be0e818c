"""The operation, on the parent's side: ask for logits, judge them, compute the accuracy."""

from typing import Annotated

import numpy as np
from pydantic import Field, ValidationError

from deltanas_repo_store.errors import TrainError
from deltanas_repo_store.records import Architecture, Evaluation, Record
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Completed, Failed, Limits, Sandbox
from deltanas_tools.train_one_epoch.score import score

DEFAULT_BATCH = 64
"""Batch size of a network whose hyper-parameters name none."""


class Trained(Record):
    """A measurement, and what the candidate printed while it was taken."""

    evaluation: Evaluation
    output: str


class _Report(Record):
    """What the child says besides the logits; taken on trust, and worth no more."""

    num_params: Annotated[int, Field(ge=0)]


def train_one_epoch(
    architecture: Architecture,
    dataset: Dataset,
    *,
    sandbox: Sandbox,
    seed: int,
    limits: Limits,
    epochs: int = 1,
    threads: int = 1,
    device: str = "cpu",
) -> Trained:
    """Train the network and score it on the search split.

    On a CPU the same seed gives the same accuracy. The limit on memory is one on address space,
    which CUDA cannot live with: on other devices than ``cpu`` it is not applied.

    Raises:
        TrainError: code ``construct``, ``output-shape`` or ``not-finite``, or one of the
            sandbox's (``timeout``, ``out-of-memory``, ``crash``, ``error``, ``flood``,
            ``bad-result``).
        SandboxError: the sandbox cannot be started; the candidate is not to blame.
    """
    payload = {
        "source": architecture.source,
        "hparams": dict(architecture.hparams),
        "in_shape": list(dataset.in_shape(batch_size(architecture))),
        "num_classes": dataset.num_classes,
        "mean": list(dataset.mean),
        "std": list(dataset.std),
        "train_images": str(dataset.path("train_images")),
        "train_labels": str(dataset.path("train_labels")),
        "search_images": str(dataset.path("search_images")),
        "seed": seed,
        "epochs": epochs,
        "threads": threads,
        "device": device,
    }
    if device != "cpu":
        limits = limits.model_copy(update={"memory_bytes": None})
    outcome = sandbox.run("train", payload, limits=limits)
    if isinstance(outcome, Failed):
        raise TrainError(outcome.message, code=outcome.code, output=outcome.output)
    num_params, logits = _read(outcome, dataset)
    accuracy, loss = score(logits, dataset.labels("search"))
    evaluation = Evaluation(
        dataset=dataset.name,
        split="search",
        epochs=epochs,
        seed=seed,
        accuracy=accuracy,
        loss=loss,
        num_params=num_params,
        seconds=outcome.seconds,
        cpu_seconds=outcome.cpu_seconds,
        peak_memory_bytes=outcome.peak_memory_bytes,
        isolation=sandbox.isolation,
        device=device,
    )
    return Trained(evaluation=evaluation, output=outcome.output)


def batch_size(architecture: Architecture) -> int:
    """Return the batch size among the hyper-parameters, or the default."""
    batch = architecture.hparams.get("batch", DEFAULT_BATCH)
    return batch if isinstance(batch, int) and batch > 0 else DEFAULT_BATCH


def _read(
    outcome: Completed, dataset: Dataset
) -> tuple[int, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Take the child's reply apart: number of parameters, and logits of the search split.

    Raises:
        TrainError: the reply has another form, or holds numbers that are not finite.
    """
    try:
        report = _Report.model_validate(outcome.payload, strict=True)
    except ValidationError as error:
        message = f"the child's report has {error.error_count()} invalid fields"
        raise TrainError(message, code="bad-result", output=outcome.output) from error
    shape = (dataset.num_search, dataset.num_classes)
    if len(outcome.blob) != 4 * shape[0] * shape[1]:
        message = (
            f"expected logits of shape {shape} in 4-byte floats, found {len(outcome.blob)} bytes"
        )
        raise TrainError(message, code="bad-result", output=outcome.output)
    logits = np.frombuffer(outcome.blob, dtype="<f4").reshape(shape)
    if not np.isfinite(logits).all():
        message = "the trained network's logits are not all finite"
        raise TrainError(message, code="not-finite", output=outcome.output)
    return report.num_params, logits
