"""The leaderboard: every measured architecture of a store, best first."""

from typing import Annotated

from pydantic import Field

from deltanas_repo_store.entries import BaselineEntry, KeptEntry, RejectedEntry
from deltanas_repo_store.records import ArchitectureId, Fraction, Record
from deltanas_repo_store.store import Store


class Standing(Record):
    """One architecture's place."""

    id: ArchitectureId
    name: str
    """A baseline's name, or run and candidate."""
    change: str
    """What the delta changed, in words; empty for a baseline."""
    accuracy: Fraction
    """Mean over seeds on the search split."""
    num_seeds: Annotated[int, Field(ge=1)]
    gain: float | None
    """Accuracy minus the parent's when it was made; None for a baseline."""
    num_params: int
    dataset: str
    epochs: int


def leaderboard(
    store: Store, *, dataset: str | None = None, run: str | None = None
) -> tuple[Standing, ...]:
    """Return the standings, best first, grouped by data set and epochs.

    With ``run``, only that run's candidates and the baselines.
    """
    measured = store.measured()
    standings: list[Standing] = []
    for entry in store.entries():
        if isinstance(entry, RejectedEntry):
            continue
        if isinstance(entry, KeptEntry) and run not in (None, entry.key.run):
            continue
        groups: dict[tuple[str, int], list[tuple[float, int]]] = {}
        for each in measured.get(entry.id, ()):
            if each.split == "search" and dataset in (None, each.dataset):
                scores = groups.setdefault((each.dataset, each.epochs), [])
                scores.append((each.accuracy, each.num_params))
        standings += [
            _standing(entry, name, epochs, scores) for (name, epochs), scores in groups.items()
        ]
    return tuple(
        sorted(standings, key=lambda row: (row.dataset, row.epochs, -row.accuracy, row.name))
    )


def _standing(
    entry: BaselineEntry | KeptEntry, dataset: str, epochs: int, scores: list[tuple[float, int]]
) -> Standing:
    kept = entry if isinstance(entry, KeptEntry) else None
    same_task = kept is not None and (kept.dataset, kept.epochs) == (dataset, epochs)
    return Standing(
        id=entry.id,
        name=entry.name,
        change=kept.subject.rsplit(" · ", 1)[0] if kept else "",
        accuracy=sum(accuracy for accuracy, _ in scores) / len(scores),
        num_seeds=len(scores),
        gain=kept.accuracy - kept.parent_accuracy if kept and same_task else None,
        num_params=scores[0][1],
        dataset=dataset,
        epochs=epochs,
    )
