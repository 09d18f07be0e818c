"""Why a run stops although cycles and budget are left."""

from collections.abc import Mapping, Sequence

from deltanas_agent.config import Stops
from deltanas_agent.selection import Member
from deltanas_repo_store.records import Name, Rejection


def reason_to_stop(stops: Stops, parents: Mapping[Name, Sequence[Member]], *, before: int) -> str:
    """Return why no further cycle is begun; empty where one is.

    Args:
        stops: What is enough, and what is too long.
        parents: Who may be a parent on each data set.
        before: The cycle that would be next.
    """
    if stops.target is not None and all(
        _best(pool, before - 1) >= stops.target for pool in parents.values()
    ):
        return f"the target of {stops.target} is reached"
    if stops.patience is not None and before > stops.patience:
        since = before - 1 - stops.patience
        if all(_best(pool, before - 1) <= _best(pool, since) for pool in parents.values()):
            return f"the best did not become better in {stops.patience} cycles"
    return ""


def _best(pool: Sequence[Member], cycle: int) -> float:
    """Return the best accuracy as of a cycle; baselines are of cycle 0."""
    return max((member.accuracy for member in pool if member.cycle <= cycle), default=0.0)


class Streak:
    """Counts answers in a row that end alike."""

    def __init__(self, stops: Stops) -> None:
        self._limit = stops.alike
        self._kind = ""
        self._count = 0

    def add(self, rejection: Rejection | None) -> str:
        """Take the next ending, None for a kept one; return why to stop, or nothing."""
        kind = "" if rejection is None else f"{rejection.stage}: {rejection.code}"
        self._count = self._count + 1 if kind and kind == self._kind else 1
        self._kind = kind
        if self._limit is None or not kind or self._count < self._limit:
            return ""
        return (
            f"{self._count} answers in a row ended alike ({kind}), so something is broken; "
            "`deltanas log` has them, and resuming goes on"
        )
