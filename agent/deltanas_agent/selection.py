"""Parent selection: from a pool with accuracies to the one that is edited next."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from deltanas_agent.config import Selection
from deltanas_repo_store.records import ArchitectureId


@dataclass(frozen=True)
class Member:
    """An architecture that may become a parent."""

    id: ArchitectureId
    name: str
    accuracy: float


def ranked(pool: Sequence[Member]) -> list[Member]:
    """Return the pool, best first.

    Names break ties. Ids would not do: they hold the seconds that a measurement took.
    """
    return sorted(pool, key=lambda member: (-member.accuracy, member.name))


def select_parent(pool: Sequence[Member], selection: Selection, *, seed: int) -> Member:
    """Draw a parent. The order of the pool has no say; the same seed draws the same parent.

    - ``uniform``: each with the same chance;
    - ``top-k``: one of the ``size`` best, each with the same chance;
    - ``tournament``: the best of ``size`` that are drawn without replacement.

    Raises:
        ValueError: the pool is empty.
    """
    if not pool:
        raise ValueError("a parent is drawn from a pool with at least one member")
    rng = random.Random(seed)
    best = ranked(pool)
    size = min(selection.size, len(best))
    match selection.strategy:
        case "uniform":
            return rng.choice(best)
        case "top-k":
            return rng.choice(best[:size])
        case "tournament":
            return best[min(rng.sample(range(len(best)), size))]
