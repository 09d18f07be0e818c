"""The data behind a report, as tables of CSV."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from deltanas_agent.rates import STEPS
from deltanas_agent.report.arms import Arm, arms, by_cycle, comparisons
from deltanas_agent.report.facts import Ended, Facts, Trained
from deltanas_agent.report.text import cell
from deltanas_repo_store.records import Evaluation

Value = str | int | float | bool | None
_CANDIDATE = (
    "run", "cycle", "index", "attempt", "status", "proposer", "id", "parent", "ended_at",
    "input_tokens", "output_tokens", "seconds", "stage", "reason", "message", "task", "accuracy",
    "parent_accuracy", "gain", "noise_floor", "improved", "mean_accuracy", "num_seeds",
    "num_params", "similarity", "training_seconds", "peak_memory_bytes", "device", "flags",
    "change",
)  # fmt: skip
_MEASURED = (
    "name", "id", "task", "dataset_digest", "split", "epochs", "seed", "accuracy", "loss",
    "num_params", "seconds", "device", "isolation",
)  # fmt: skip


def tables(facts: Facts) -> dict[str, str]:
    """Return the tables, by their file names."""
    found = arms(facts)
    ended = [each for run in facts.runs for each in run.ended]
    return {
        "candidates.csv": _table(_CANDIDATE, map(_candidate, ended)),
        "measurements.csv": _table(_MEASURED, _measurements(facts)),
        "funnel.csv": _table(("arm", "cycle", "counted", *STEPS), _funnel(found)),
        "comparisons.csv": _table(
            ("quantity", "arm", "value", "low", "high", "num"), _compared(found)
        ),
    }


def _table(columns: Sequence[str], rows: Iterable[Mapping[str, Value]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: cell(each) if isinstance(each, str) else each for key, each in row.items()}
        )
    return out.getvalue()


def _candidate(ended: Ended) -> dict[str, Value]:
    entry, proposal = ended.entry, ended.outcome.pending.proposal
    row: dict[str, Value] = {
        "run": entry.key.run,
        "cycle": entry.key.cycle,
        "index": entry.key.index,
        "attempt": entry.key.attempt,
        "status": entry.status,
        "proposer": entry.proposer,
        "id": entry.id,
        "parent": entry.parent,
        "ended_at": entry.made,
        "input_tokens": proposal.input_tokens,
        "output_tokens": proposal.output_tokens,
        "seconds": entry.seconds,
        "change": proposal.summary,
    }
    return row | (_trained(ended) if isinstance(ended, Trained) else _refusal(ended))


def _refusal(ended: Ended) -> dict[str, Value]:
    if isinstance(ended, Trained):
        return {}
    novelty = ended.outcome.novelty
    return {
        "stage": ended.entry.stage,
        "reason": ended.entry.code,
        "message": ended.outcome.rejection.message,
        "similarity": novelty.similarity if novelty else None,
    }


def _trained(ended: Trained) -> dict[str, Value]:
    measured = ended.outcome.evaluation
    return {
        "task": measured.task,
        "accuracy": measured.accuracy,
        "parent_accuracy": ended.outcome.parent_accuracy,
        "gain": round(ended.outcome.gain, 6),
        "noise_floor": ended.outcome.noise_floor,
        "improved": ended.outcome.improved,
        "mean_accuracy": ended.mean,
        "num_seeds": len(ended.accuracies),
        "num_params": measured.num_params,
        "similarity": ended.outcome.novelty.similarity,
        "training_seconds": measured.seconds,
        "peak_memory_bytes": measured.peak_memory_bytes,
        "device": measured.device,
        "flags": " ".join(measured.flags),
    }


def _measurements(facts: Facts) -> Iterable[dict[str, Value]]:
    measured: dict[tuple[str, str], tuple[Evaluation, ...]] = {}
    for run in facts.runs:
        measured |= {(each.name, each.id): each.evaluations for each in run.baselines}
        measured |= {(each.entry.name, each.entry.id): each.evaluations for each in run.trained}
    for (name, architecture_id), evaluations in measured.items():
        for each in evaluations:
            facts_of = each.model_dump(include=set(_MEASURED))
            yield {"name": name, "id": architecture_id, "task": each.task, **facts_of}


def _funnel(found: Iterable[Arm]) -> Iterable[dict[str, Value]]:
    for arm in found:
        for cycle, rates in by_cycle(arm).items():
            for counted in ("first", "with_retries"):
                counts = getattr(rates, counted).model_dump()
                yield {"arm": arm.name, "cycle": cycle, "counted": counted, **counts}


def _compared(found: Sequence[Arm]) -> Iterable[dict[str, Value]]:
    for row in comparisons(found):
        for arm, estimate in zip(found, row.estimates, strict=True):
            if estimate is not None:
                yield {"quantity": row.what, "arm": arm.name, **estimate.model_dump()}
