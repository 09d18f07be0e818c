"""The gates before novelty: from an answer to a network that computes something of its own."""

from collections.abc import Callable

from deltanas_agent.config import Deltas
from deltanas_agent.deltas import apply_answer, architecture_of, rejection_of
from deltanas_agent.outcomes import Closed, Progress
from deltanas_repo_store.errors import CandidateError
from deltanas_repo_store.records import Architecture, Stage
from deltanas_tools.apply_patch import Refused
from deltanas_tools.checks import Build, check_effective, check_no_embedded_data


def pass_gates(
    answer: str,
    parent: Architecture,
    parent_build: Build,
    *,
    rules: Deltas,
    build: Callable[[Architecture], Build],
    progress: Progress,
) -> Architecture:
    """Return the candidate that an answer makes of its parent.

    ``progress`` is told how far it came, also where a gate closes. ``build`` builds it where it is
    to work, and raises `CandidateError` where it does not.

    Raises:
        Closed: at ``patch``, ``interface``, ``build`` or ``effective``.
        SandboxError: nothing could be built.
    """
    stage: Stage = "patch"
    try:
        candidate = _candidate(answer, parent, rules, progress)
        stage = "interface"
        check_no_embedded_data(candidate.source, parent.source)
        stage = "build"
        built = build(candidate)
        progress.trace = built.trace
        stage = "effective"
        check_effective(built, parent_build)
    except CandidateError as error:
        raise Closed(stage, error.code, str(error), error.output) from error
    return candidate


def _candidate(
    answer: str, parent: Architecture, rules: Deltas, progress: Progress
) -> Architecture:
    result = apply_answer(parent, answer, rules)
    applied = result.applied if isinstance(result, Refused) else result
    if applied is not None:
        progress.applied(applied)
        progress.architecture = architecture_of(applied, parent, rules)
    if isinstance(result, Refused):
        reason = rejection_of(result)
        raise Closed(reason.stage, reason.code, reason.message)
    assert progress.architecture is not None
    return progress.architecture
