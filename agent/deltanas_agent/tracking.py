"""A run as series of numbers over its answers, as trackers of experiments show them."""

from collections.abc import Iterable, Mapping

from deltanas_agent.config import RunConfig
from deltanas_agent.slots import slot_of_key
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.records import Record


class Point(Record):
    """What one answer adds to the series of a run."""

    step: int
    """Which answer of the run it is, in the order in which they ended, from 1."""
    seconds: float
    """When it ended, since 1970 (UTC)."""
    values: Mapping[str, float]
    """By the name of the series; of an arm, and on a data set, where there are several."""


def points(config: RunConfig, entries: Iterable[KeptEntry | RejectedEntry]) -> list[Point]:
    """Return the points of a run. Those of earlier answers stay as they are when more end."""
    best: dict[str, float] = {}
    counts = {"answers": 0, "kept": 0, "improved": 0, "tokens": 0}
    ended = sorted(entries, key=lambda entry: (entry.made, entry.key.name))
    return [_point(config, entry, step, counts, best) for step, entry in enumerate(ended, start=1)]


def _point(
    config: RunConfig,
    entry: KeptEntry | RejectedEntry,
    step: int,
    counts: dict[str, int],
    best: dict[str, float],
) -> Point:
    counts["answers"] += 1
    counts["tokens"] += entry.tokens
    values: dict[str, float] = {"seconds": entry.seconds}
    if isinstance(entry, KeptEntry):
        counts["kept"] += 1
        counts["improved"] += entry.improved
        where = _where(config, entry)
        best[where] = max(best.get(where, 0.0), entry.accuracy)
        values |= {
            f"{where}accuracy": entry.accuracy,
            f"{where}gain": entry.accuracy - entry.parent_accuracy,
            f"{where}best": best[where],
            f"{where}params": float(entry.num_params),
            f"{where}similarity": entry.similarity,
        }
    values |= {f"so_far/{name}": float(count) for name, count in counts.items()}
    return Point(step=step, seconds=float(entry.made), values=values)


def _where(config: RunConfig, entry: KeptEntry) -> str:
    arm = slot_of_key(config, entry.key).arm
    parts = [arm] if arm else []
    parts += [entry.dataset] if len(config.all_datasets) > 1 else []
    return "".join(f"{part}/" for part in parts)
