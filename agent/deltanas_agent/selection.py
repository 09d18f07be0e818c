"""Parent selection: from a pool with accuracies to the one that is edited next."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deltanas_agent.config import Islands, Objective, Selection
from deltanas_repo_store.records import ArchitectureId


@dataclass(frozen=True)
class Member:
    """An architecture that may become a parent."""

    id: ArchitectureId
    name: str
    accuracy: float
    num_params: int = 0
    """Trainable parameters."""
    seconds: float = 0.0
    """Wall time that was spent on it; the same again takes longer or shorter."""
    cycle: int = 0
    """Of the run, in which it was made; 0 for a baseline."""
    place: int = 0
    """Among the turns of its data set, from 1, if it is no baseline."""


def ranked(pool: Iterable[Member]) -> list[Member]:
    """Return the pool, best first.

    Names break ties. Ids would not do: they hold the seconds that a measurement took.
    """
    return sorted(pool, key=lambda member: (-member.accuracy, member.name))


def select_parent(pool: Sequence[Member], selection: Selection, *, seed: int) -> Member:
    """Draw a parent. The order of the pool has no say; the same seed draws the same parent.

    - ``uniform``: each with the same chance;
    - ``top-k``: one of the ``size`` best, each with the same chance;
    - ``tournament``: the best of ``size`` that are drawn without replacement;
    - ``pareto``: one of those that none beats in accuracy and all ``objectives``.

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
        case "pareto":
            return rng.choice(pareto_front(best, selection.objectives))


def pareto_front(pool: Sequence[Member], objectives: Sequence[Objective]) -> list[Member]:
    """Return the members that no other is at least as good as in all, and better in one.

    Accuracy is to be high, what ``objectives`` name is to be low. The order of the pool stays.
    """
    scores = [_scores(member, objectives) for member in pool]
    return [
        member
        for member, own in zip(pool, scores, strict=True)
        if not any(_dominates(other, own) for other in scores)
    ]


def _scores(member: Member, objectives: Sequence[Objective]) -> tuple[float, ...]:
    """Return what is to be as low as can be."""
    costs = {"params": float(member.num_params), "seconds": member.seconds}
    return (-member.accuracy, *(costs[each] for each in objectives))


def _dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a != b and all(one <= other for one, other in zip(a, b, strict=True))


def on_island(pool: Sequence[Member], islands: Islands, *, cycle: int, place: int) -> list[Member]:
    """Return the members that may be parents of a candidate: those of its island.

    Candidates take turns, so that each island has as many. Baselines are on all of them. After
    every ``migrate_every`` cycles the best that an island has brought forth are on the next island
    as well, and the last island's on the first.

    Args:
        pool: All members of a data set.
        islands: How they are divided.
        cycle: The candidate's.
        place: The candidate's, among the turns of its data set.
    """
    if islands.count == 1:
        return list(pool)
    here = _island(place, islands)
    own = [each for each in pool if each.cycle == 0 or _island(each.place, islands) == here]
    neighbour = (here - 1) % islands.count
    theirs = [each for each in pool if each.cycle and _island(each.place, islands) == neighbour]
    arrived: dict[ArchitectureId, Member] = {}
    for migration in range(islands.migrate_every, cycle, islands.migrate_every):
        best = ranked(each for each in theirs if each.cycle <= migration)
        arrived |= {each.id: each for each in best[: islands.migrants]}
    return [*own, *arrived.values()]


def _island(place: int, islands: Islands) -> int:
    return (place - 1) % islands.count
