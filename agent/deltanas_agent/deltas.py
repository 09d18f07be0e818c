"""From an answer to a candidate's architecture, by the rules of a run."""

from dataclasses import replace

from pydantic import ValidationError

from deltanas_agent.config import Deltas
from deltanas_repo_store.errors import PatchError
from deltanas_repo_store.records import Architecture, Rejection, Stage
from deltanas_tools.apply_patch import RUN_GATES, Applied, Refused, apply


def apply_answer(parent: Architecture, answer: str, rules: Deltas) -> Applied | Refused:
    """Apply an answer to its parent, with the gates of the run closed."""
    gates = replace(RUN_GATES, frozen=rules.frozen_parts == "refuse")
    return apply(parent.source, answer, gates=gates, hparams=parent.hparams)


def architecture_of(applied: Applied, parent: Architecture, rules: Deltas) -> Architecture:
    """Return what the answer makes of its parent, with the hyper-parameters that the run uses.

    Raises:
        PatchError: code ``unusable``: the store does not take the source or hyper-parameters;
            or ``hyperparameters``: the run uses those of the answer, and they are not valid.
    """
    hparams = dict(parent.hparams)
    if rules.hyperparameters == "proposed":
        if applied.hparams_problems:
            raise PatchError("; ".join(applied.hparams_problems), code="hyperparameters")
        hparams |= applied.hparams
    try:
        return Architecture(source=applied.text, hparams=hparams)
    except ValidationError as error:
        message = "; ".join(str(each["msg"]) for each in error.errors())
        raise PatchError(f"the result cannot be kept: {message}", code="unusable") from error


def rejection_of(refused: Refused) -> Rejection:
    """Return a refusal as the store keeps it.

    Its stage says whether the delta applies: ``interface`` where it does, and a gate of the run
    is closed to what it makes.
    """
    stage: Stage = "patch" if refused.applied is None else "interface"
    return Rejection(stage=stage, code=refused.code, message=refused.message)
