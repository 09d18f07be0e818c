"""Along one lineage: who brought each line, and where the accuracy fell."""

import difflib
from collections.abc import Sequence
from typing import Literal

from deltanas_repo_store.entries import Entry, KeptEntry
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.queries import ancestors
from deltanas_repo_store.records import ArchitectureId, Record
from deltanas_repo_store.store import Store


class Line(Record):
    """A line of a network and where it comes from."""

    text: str
    id: ArchitectureId
    """The first of the lineage that had it."""
    name: str
    gain: float | None
    """What that step gained; None for a baseline."""


class Step(Record):
    """A step of a lineage, as it was measured when it was made."""

    id: ArchitectureId
    name: str
    subject: str
    accuracy: float
    change: float
    """Accuracy minus the parent's, under the same conditions."""
    verdict: Literal["improved", "same", "fell"]
    """Beyond the noise floor where that was known, else beyond zero."""


class Falls(Record):
    """Where along a lineage the accuracy fell."""

    steps: tuple[Step, ...]
    worst: str | None
    """Name of the step with the deepest fall beyond noise; None where there is none."""


def blame(store: Store, architecture_id: ArchitectureId) -> tuple[Line, ...]:
    """Say of each line which architecture of the lineage had it first.

    Raises:
        UnknownArchitecture: the store lists no such architecture.
    """
    lineage = ancestors(store, architecture_id)
    lines: list[str] = []
    origins: list[Entry] = []
    for entry in lineage:
        new = store.get(entry.id).source.splitlines()
        origins = _carried(lines, new, origins, entry)
        lines = new
    return tuple(
        Line(text=text, id=entry.id, name=entry.name, gain=_gain(entry))
        for text, entry in zip(lines, origins, strict=True)
    )


def _carried(
    old: Sequence[str], new: Sequence[str], origins: Sequence[Entry], entry: Entry
) -> list[Entry]:
    """Return the origins of the new lines: what stayed keeps its own."""
    result = [entry] * len(new)
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for at, there, size in matcher.get_matching_blocks():
        result[there : there + size] = origins[at : at + size]
    return result


def falls(
    store: Store, architecture_id: ArchitectureId, *, since: ArchitectureId | None = None
) -> Falls:
    """Find the steps at which the accuracy fell, after the ancestor ``since``.

    Nothing is trained: every kept candidate was measured against its parent under one set of
    conditions when it was made, so each step stands for itself, whatever data set it was.

    Raises:
        UnknownArchitecture: the store lists no such architecture.
        ConfigError: ``since`` is no ancestor of it.
    """
    lineage = ancestors(store, architecture_id)
    if since is not None:
        ids = [entry.id for entry in lineage]
        if since not in ids:
            raise ConfigError(
                f"{since[:12]} is no ancestor of {lineage[-1].name}; `deltanas lineage "
                f"{lineage[-1].name}` lists them"
            )
        lineage = lineage[ids.index(since) + 1 :]
    steps = tuple(_step(entry) for entry in lineage if isinstance(entry, KeptEntry))
    fallen = [step for step in steps if step.verdict == "fell"]
    worst = min(fallen, key=lambda step: step.change).name if fallen else None
    return Falls(steps=steps, worst=worst)


def _step(entry: KeptEntry) -> Step:
    change = entry.accuracy - entry.parent_accuracy
    noise = entry.noise_floor or 0.0
    verdict: Literal["improved", "same", "fell"] = (
        "improved" if change > noise else "fell" if change < -noise else "same"
    )
    return Step(
        id=entry.id,
        name=entry.name,
        subject=entry.subject.rsplit(" · ", 1)[0],
        accuracy=entry.accuracy,
        change=change,
        verdict=verdict,
    )


def _gain(entry: Entry) -> float | None:
    return entry.accuracy - entry.parent_accuracy if isinstance(entry, KeptEntry) else None
