"""Reproducing a number: the same training once more, from nothing but the record."""

from typing import Literal

from deltanas_agent.config import Measurement
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Architecture, Evaluation, Record
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Sandbox
from deltanas_tools.train_one_epoch import OnEpoch, train_one_epoch
from deltanas_tools.transforms import parse

Verdict = Literal["identical", "within-noise", "different"]
_PATIENCE = 10.0
"""How much longer than it took a training may take."""


class Reproduction(Record):
    """A recorded measurement, and what came of it this time."""

    recorded: Evaluation
    again: Evaluation
    verdict: Verdict
    """``identical``: accuracy and loss agree to the last bit. ``within-noise``: on a GPU, where
    they need not, the accuracies differ by no more than the noise floor."""
    differences: tuple[str, ...]
    """In what the conditions differ, as far as they are recorded."""


def conditions(recorded: Evaluation) -> Measurement:
    """Return the conditions of a recorded measurement, with limits that it keeps easily."""
    return Measurement(
        dataset=recorded.dataset,
        split=recorded.split,
        transform=recorded.transform,
        epochs=recorded.epochs,
        seed=recorded.seed,
        device=recorded.device,
        threads=recorded.threads,
        precision=recorded.precision,
        channels_last=recorded.channels_last,
        train_seconds=max(600.0, _PATIENCE * recorded.seconds),
    )


def reproduce(
    architecture: Architecture,
    recorded: Evaluation,
    dataset: Dataset,
    sandbox: Sandbox,
    *,
    noise_floor: float | None = None,
    on_epoch: OnEpoch = lambda _: None,
) -> Reproduction:
    """Train again as ``recorded`` says. Nothing is kept.

    A training that ended with its budget of seconds is repeated for as many epochs as it had.

    Raises:
        ConfigError: the data set is another one than the record's.
        TrainError: the training fails, where it once did not.
        SandboxError: the sandbox cannot be started.
    """
    if recorded.dataset_digest not in ("", dataset.digest):
        raise ConfigError(
            f"the data set {dataset.name} here has the digest {dataset.digest}, and the record's "
            f"{recorded.dataset_digest}: other images or splits; prepare it from the same files"
        )
    wanted = conditions(recorded)
    again = train_one_epoch(
        architecture,
        dataset,
        sandbox=sandbox,
        seed=wanted.seed,
        limits=wanted.train_limits(),
        epochs=wanted.epochs,
        split=wanted.split,
        transform=parse(wanted.transform),
        numerics=wanted.numerics(wanted.device),
        on_epoch=on_epoch,
    ).evaluation
    return Reproduction(
        recorded=recorded,
        again=again,
        verdict=verdict_on(recorded, again, noise_floor),
        differences=_differences(recorded, again),
    )


def verdict_on(recorded: Evaluation, again: Evaluation, noise_floor: float | None) -> Verdict:
    """Judge two measurements under the same conditions."""
    if (recorded.accuracy, recorded.loss) == (again.accuracy, again.loss):
        return "identical"
    apart = abs(recorded.accuracy - again.accuracy)
    if recorded.device != "cpu" and noise_floor is not None and apart <= noise_floor:
        return "within-noise"
    return "different"


def _differences(recorded: Evaluation, again: Evaluation) -> tuple[str, ...]:
    pairs = (
        ("torch", recorded.torch_version, again.torch_version),
        ("processor", recorded.processor, again.processor),
        ("isolation", recorded.isolation, again.isolation),
    )
    return tuple(
        f"{name}: {old or 'not recorded'}, here {new}" for name, old, new in pairs if old != new
    )
