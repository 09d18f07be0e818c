"""A training at its place, the same on every machine."""

import time

from deltanas_agent.executors.port import Ended, Fault, Training
from deltanas_repo_store.errors import BuildError, ConfigError, TrainError
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Sandbox
from deltanas_tools.train_one_epoch import OnEpoch, Trained, train_one_epoch
from deltanas_tools.transforms import parse


def check_digest(dataset: Dataset, digest: str) -> None:
    """Check that a data set is the one that is asked for.

    Raises:
        ConfigError: its bytes are others, so that accuracies would not compare.
    """
    if dataset.digest != digest:
        raise ConfigError(
            f"the data set {dataset.name} in {dataset.folder} has the digest {dataset.digest}, "
            f"expected {digest}; prepare it from the same files, or copy the folder"
        )


def perform(
    training: Training, dataset: Dataset, *, sandbox: Sandbox, device: str, on_epoch: OnEpoch
) -> Ended:
    """Train, and return how it ended.

    Raises:
        SandboxError: nothing could be run.
        ConfigError: the data set is another, or the transform does not suit it.
    """
    check_digest(dataset, training.dataset_digest)
    started = time.monotonic()
    result: Trained | Fault
    try:
        result = _train(training, dataset, sandbox, device, on_epoch)
    except (BuildError, TrainError) as error:
        result = Fault.of(error)
    return Ended(result=result, seconds=time.monotonic() - started)


def _train(
    training: Training, dataset: Dataset, sandbox: Sandbox, device: str, on_epoch: OnEpoch
) -> Trained:
    wanted = training.measurement
    return train_one_epoch(
        training.architecture,
        dataset,
        sandbox=sandbox,
        seed=wanted.seed,
        limits=wanted.train_limits(),
        epochs=wanted.epochs,
        budget_seconds=wanted.budget_seconds,
        split=wanted.split,
        curve=wanted.curve,
        on_epoch=on_epoch,
        transform=parse(wanted.transform),
        numerics=wanted.numerics(device),
    )
