"""A job that builds, checks, trains and scores a candidate, and records what came of it."""

from deltanas_mcp.answers import TrainingAnswer
from deltanas_mcp.settings import parse_measurement
from deltanas_mcp.wiring import Workbench
from deltanas_mcp.work.records import Report, TrainArguments
from deltanas_repo_store.records import ArchitectureId, Evaluation, Kept, Outcome

OUTPUT_CHARS = 4000
"""How much of a candidate's output goes back to a model: its end says what went wrong."""


def train(bench: Workbench, asked: TrainArguments, device: str, report: Report) -> TrainingAnswer:
    """Train a pending candidate, which becomes a commit, or measure an architecture.

    Raises:
        UnknownArchitecture: there is neither of that name.
        CandidateError: an architecture, or a candidate's parent, cannot be measured.
        SandboxError: nothing could be run; a candidate stays pending.
    """
    measurement = parse_measurement(
        dataset=asked.dataset, seed=asked.seed, device=device, train_seconds=asked.max_seconds
    )
    report(0, 1, f"preparing {asked.dataset}")
    evaluator = bench.evaluator(measurement)
    report(0, 1, f"checking and training {asked.candidate} on {asked.dataset}")
    pending = bench.store.find_pending(asked.candidate)
    if pending is None:
        architecture_id = bench.store.resolve(asked.candidate)
        answer = _measured(architecture_id, evaluator.measure(architecture_id))
    else:
        outcome = evaluator.evaluate(pending)
        answer = _ended(bench.store.finish(outcome), outcome, asked.dataset)
    report(1, 1, _in_words(answer))
    return answer


def _in_words(answer: TrainingAnswer) -> str:
    if answer.accuracy is None:
        return f"rejected by the {answer.stage} gate ({answer.code})"
    return f"{answer.status}: accuracy {answer.accuracy:.4f} on {answer.dataset}"


def _measured(architecture_id: ArchitectureId, evaluation: Evaluation) -> TrainingAnswer:
    return TrainingAnswer(
        id=architecture_id,
        status="measured",
        dataset=evaluation.dataset,
        accuracy=evaluation.accuracy,
        parent_accuracy=None,
        improved=None,
        noise_floor=None,
        flags=list(evaluation.flags),
        num_params=evaluation.num_params,
        seconds=evaluation.seconds,
        stage=None,
        code=None,
        reason=None,
        output="",
    )


def _ended(architecture_id: ArchitectureId, outcome: Outcome, dataset: str) -> TrainingAnswer:
    kept = outcome if isinstance(outcome, Kept) else None
    reason = None if isinstance(outcome, Kept) else outcome.rejection
    return TrainingAnswer(
        id=architecture_id,
        status="kept" if kept else "rejected",
        dataset=dataset,
        accuracy=kept.evaluation.accuracy if kept else None,
        parent_accuracy=kept.parent_accuracy if kept else None,
        improved=kept.improved if kept else None,
        noise_floor=kept.noise_floor if kept else None,
        flags=list(kept.evaluation.flags) if kept else [],
        num_params=kept.evaluation.num_params if kept else None,
        seconds=outcome.seconds,
        stage=reason.stage if reason else None,
        code=reason.code if reason else None,
        reason=reason.message if reason else None,
        output=outcome.output[-OUTPUT_CHARS:],
    )
