"""The leaderboard: every measured architecture of a store, best first."""

from typing import Annotated, Literal

from pydantic import Field

from deltanas_repo_store.entries import BaselineEntry, KeptEntry, RejectedEntry
from deltanas_repo_store.records import PLAIN, ArchitectureId, Evaluation, Fraction, Record
from deltanas_repo_store.store import Store


class Standing(Record):
    """One architecture's place among those measured on the same task."""

    id: ArchitectureId
    name: str
    """A baseline's name, or run and candidate."""
    change: str
    """What the delta changed, in words; empty for a baseline."""
    accuracy: Fraction
    """Mean over seeds."""
    num_seeds: Annotated[int, Field(ge=1)]
    gain: float | None
    """Accuracy minus the parent's when it was made; None for a baseline, and on other tasks."""
    num_params: int
    dataset: str
    task: str
    """What was measured and how: `Evaluation.task`."""
    title: str
    """The same in words."""


def leaderboard(
    store: Store,
    *,
    dataset: str | None = None,
    run: str | None = None,
    split: Literal["search", "test"] | None = None,
) -> tuple[Standing, ...]:
    """Return the standings, best first, task by task.

    With ``run``, only that run's candidates and the baselines.
    """
    measured = store.measured()
    standings: list[Standing] = []
    for entry in store.entries():
        if isinstance(entry, RejectedEntry):
            continue
        if isinstance(entry, KeptEntry) and run not in (None, entry.key.run):
            continue
        tasks: dict[str, list[Evaluation]] = {}
        for each in measured.get(entry.id, ()):
            if dataset in (None, each.dataset) and split in (None, each.split):
                tasks.setdefault(each.task, []).append(each)
        standings += [_standing(entry, evaluations) for evaluations in tasks.values()]
    return tuple(sorted(standings, key=lambda row: (row.task, -row.accuracy, row.name)))


def _standing(entry: BaselineEntry | KeptEntry, evaluations: list[Evaluation]) -> Standing:
    kept = entry if isinstance(entry, KeptEntry) else None
    first = evaluations[0]
    made_on = kept is not None and any(
        (each.seed, round(each.accuracy, 6), each.dataset, each.epochs)
        == (kept.seed, kept.accuracy, kept.dataset, kept.epochs)
        for each in evaluations
    )
    return Standing(
        id=entry.id,
        name=entry.name,
        change=kept.subject.rsplit(" · ", 1)[0] if kept else "",
        accuracy=sum(each.accuracy for each in evaluations) / len(evaluations),
        num_seeds=len(evaluations),
        gain=kept.accuracy - kept.parent_accuracy if kept and made_on else None,
        num_params=first.num_params,
        dataset=first.dataset,
        task=first.task,
        title=_title(first),
    )


def _title(evaluation: Evaluation) -> str:
    epochs = f"{evaluation.epochs} epoch" + ("s" if evaluation.epochs > 1 else "")
    budget = evaluation.budget_seconds
    kind = evaluation.device.partition(":")[0]
    words = [evaluation.dataset, epochs if budget is None else f"{budget:g} s"]
    words += [evaluation.transform] if evaluation.transform != PLAIN else []
    words += [kind] if kind != "cpu" else []
    words += [evaluation.precision] if evaluation.precision != "float32" else []
    words += ["channels last"] if evaluation.channels_last else []
    return " · ".join([*words, f"{evaluation.split} split"])
