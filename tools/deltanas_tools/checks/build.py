"""Builds a candidate in the sandbox, and tells networks apart by what they computed there."""

from typing import Annotated

from pydantic import Field, ValidationError

from deltanas_repo_store.errors import BuildError
from deltanas_repo_store.records import Architecture, Record
from deltanas_tools.sandbox import Failed, Limits, Sandbox


class Build(Record):
    """A network that was built and run once."""

    num_params: Annotated[int, Field(ge=0)]
    """Trainable parameters."""
    num_operations: Annotated[int, Field(ge=0)]
    """Operations of one forward pass in training mode."""
    trace: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    """Digest of every operation of that pass, with shapes and scalars."""


def check_build(
    architecture: Architecture,
    *,
    in_shape: tuple[int, int, int, int],
    num_classes: int,
    sandbox: Sandbox,
    limits: Limits,
    complex_inputs: bool = False,
    seed: int = 0,
) -> Build:
    """Build the network, run it on one random batch, and trace what it computes.

    ``in_shape`` is ``(batch, channels, height, width)`` with the real batch size; inputs are
    float32, or complex64 with ``complex_inputs``.

    Raises:
        BuildError: code ``interface``, ``construct``, ``forward``, ``output-shape`` or
            ``not-finite``, or one of the sandbox's (``timeout``, ``out-of-memory``, ``crash``,
            ``error``, ``flood``, ``bad-result``).
        SandboxError: the sandbox cannot be started; the candidate is not to blame.
    """
    payload = {
        "source": architecture.source,
        "hparams": dict(architecture.hparams),
        "in_shape": list(in_shape),
        "num_classes": num_classes,
        "complex_inputs": complex_inputs,
        "seed": seed,
    }
    outcome = sandbox.run("build", payload, limits=limits)
    if isinstance(outcome, Failed):
        raise BuildError(outcome.message, code=outcome.code, output=outcome.output)
    try:
        return Build.model_validate(outcome.payload, strict=True)
    except ValidationError as error:
        message = f"the child's report of the build has {error.error_count()} invalid fields"
        raise BuildError(message, code="bad-result", output=outcome.output) from error


def check_effective(build: Build, parent: Build) -> None:
    """Check that a network computes something else than its parent.

    Dead code, unused modules and renamed parts do not count; operations whose results are thrown
    away do, since they leave a trace.

    Raises:
        BuildError: code ``ineffective``.
    """
    if build.trace == parent.trace:
        raise BuildError(
            "the network computes exactly what its parent computes, in the forward pass and in a "
            "training step: the change is dead code or has no effect; change an operation that "
            "forward uses, a shape, or how the network learns",
            code="ineffective",
        )
