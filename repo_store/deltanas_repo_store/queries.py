"""Questions about a store, answered by its index: the best, the newest, where an idea comes from.

None reads more than it returns, but for a look along a sorted column.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from deltanas_repo_store.entries import Entry, KeptEntry, entry_of
from deltanas_repo_store.errors import UnknownArchitecture
from deltanas_repo_store.records import ArchitectureId, Fraction, Name, Record
from deltanas_repo_store.store import Store

OURS = ""
"""Source of what was measured here, in the index."""


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
    num_params: int | None
    """Trainable parameters; None where another has measured and it was not built here."""
    seconds: float
    """Wall time of a measurement, the mean over seeds."""
    dataset: str
    task: str
    """What was measured and how: `Evaluation.task`."""
    title: str
    """The same in words."""
    source: str = OURS
    """Who measured it: empty for us, or the publisher's name."""


class Wanted(Record):
    """Which standings are asked for."""

    dataset: Name | None = None
    split: Literal["search", "test"] | None = None
    run: Name | None = None
    """Only this run's candidates, and the baselines."""
    epochs: Annotated[int, Field(ge=1)] | None = None
    max_params: Annotated[int, Field(ge=0)] | None = None
    source: Name | Literal[""] = OURS
    pareto: bool = False
    """Only those that no other beats in accuracy with as few parameters."""
    limit: Annotated[int, Field(ge=1)] = 20
    """Standings of each task at most."""


ALL = Wanted()


def leaderboard(store: Store, wanted: Wanted = ALL) -> tuple[Standing, ...]:
    """Return the standings, best first, task by task."""
    return tuple(
        standing for task in _tasks(store, wanted) for standing in _of_task(store, task, wanted)
    )


def _tasks(store: Store, wanted: Wanted) -> Iterator[str]:
    """Yield the tasks that there are: from one to the next, past all standings between them."""
    task = ""
    while True:
        [[following]] = store.index.rows("SELECT min(task) FROM standing WHERE task > ?", (task,))
        if following is None:
            return
        task = str(following)
        found = store.index.rows(
            "SELECT source, dataset, split, epochs FROM standing WHERE task = ? LIMIT 1", (task,)
        )
        asked = (wanted.source, wanted.dataset, wanted.split, wanted.epochs)
        if all(want in (None, have) for want, have in zip(asked, found[0], strict=True)):
            yield task


def _of_task(store: Store, task: str, wanted: Wanted) -> list[Standing]:
    conditions = ["s.task = ?", "s.source = ?"]
    values: list[object] = [task, wanted.source]
    if wanted.max_params is not None:
        conditions.append("s.num_params <= ?")
        values.append(wanted.max_params)
    if not wanted.pareto:
        return _ranked(store, conditions, values, wanted.limit, run=wanted.run)
    front: list[Standing] = []
    while len(front) < wanted.limit:
        more, bounds = ["s.num_params IS NOT NULL"], list[object]()
        if front:
            # The next begins where this one stands, so that the column is read once in all.
            more += ["s.accuracy <= ?", "s.num_params < ?"]
            bounds = [front[-1].accuracy, front[-1].num_params]
        found = _ranked(
            store, [*conditions, *more], [*values, *bounds], 1, run=wanted.run, by_params=True
        )
        if not found:
            break
        front += found
    return front


def _ranked(
    store: Store,
    conditions: list[str],
    values: list[object],
    limit: int,
    *,
    run: str | None,
    by_params: bool = False,
) -> list[Standing]:
    if run is None:
        return _best(store, conditions, values, limit, by_params)
    # Each half is in order in the index of runs; an OR of the two would be a look at every run.
    found = [
        *_best(store, [*conditions, "s.run IS NULL"], values, limit, by_params),
        *_best(store, [*conditions, "s.run = ?"], [*values, run], limit, by_params),
    ]
    found.sort(key=lambda each: (-each.accuracy, each.num_params or 0 if by_params else 0))
    return found[:limit]


def _best(
    store: Store, conditions: list[str], values: list[object], limit: int, by_params: bool
) -> list[Standing]:
    ties = "s.num_params, s.ref" if by_params else "s.ref"
    rows = store.index.rows(
        "SELECT s.accuracy, s.num_seeds, s.seeds, s.num_params, s.seconds, s.dataset, s.epochs, "
        "s.task, s.title, s.source, a.entry FROM standing AS s CROSS JOIN architecture AS a "
        f"ON a.ref = s.ref WHERE {' AND '.join(conditions)} "
        f"ORDER BY s.accuracy DESC, {ties} LIMIT ?",
        [*values, limit],
    )
    return [_standing(*row) for row in rows]


def _standing(
    accuracy: Any,
    num_seeds: Any,
    seeds: Any,
    num_params: Any,
    seconds: Any,
    dataset: Any,
    epochs: Any,
    task: Any,
    title: Any,
    source: Any,
    entry: Any,
) -> Standing:
    found = entry_of(entry)
    kept = found if isinstance(found, KeptEntry) else None
    made_on = (
        kept is not None
        and (kept.dataset, kept.epochs) == (dataset, epochs)
        and json.loads(seeds).get(str(kept.seed)) == round(kept.accuracy, 6)
    )
    return Standing(
        id=found.id,
        name=found.name,
        change=kept.subject.rsplit(" · ", 1)[0] if kept else "",
        accuracy=accuracy,
        num_seeds=num_seeds,
        gain=kept.accuracy - kept.parent_accuracy if kept and made_on else None,
        num_params=num_params,
        seconds=seconds,
        dataset=dataset,
        task=task,
        title=title,
        source=source,
    )


def newest(
    store: Store,
    *,
    run: Name | None = None,
    status: Literal["baseline", "kept", "rejected"] | None = None,
    limit: int = 100,
) -> tuple[Entry, ...]:
    """Return what was added last, newest first."""
    conditions, values = ["TRUE"], list[object]()
    for column, value in (("run", run), ("status", status)):
        if value is not None:
            # Of the two columns' indices the run's is the better one.
            plus = "+" if column == "status" and run is not None else ""
            conditions.append(f"{plus}{column} = ?")
            values.append(value)
    rows = store.index.rows(
        f"SELECT entry FROM architecture WHERE {' AND '.join(conditions)} "
        "ORDER BY made DESC, n DESC LIMIT ?",
        [*values, limit],
    )
    return tuple(entry_of(entry) for (entry,) in rows)


def ancestors(store: Store, architecture_id: ArchitectureId) -> tuple[Entry, ...]:
    """Return the lineage of an architecture: its baseline first, itself last.

    Raises:
        UnknownArchitecture: the store lists no such architecture.
    """
    rows = store.index.rows(
        "WITH RECURSIVE up (id, parent, entry, depth) AS ("
        "SELECT id, parent, entry, 0 FROM (SELECT * FROM architecture WHERE id = ? LIMIT 1) "
        "UNION ALL SELECT a.id, a.parent, a.entry, up.depth + 1 "
        "FROM up JOIN architecture AS a ON a.id = up.parent) "
        "SELECT entry FROM up ORDER BY depth DESC",
        (architecture_id,),
    )
    if not rows:
        raise UnknownArchitecture(architecture_id)
    found = (entry_of(entry) for (entry,) in rows)
    # One commit may have several names; a lineage has it once.
    return tuple({entry.id: entry for entry in found}.values())


def descendants(
    store: Store, architecture_id: ArchitectureId, *, limit: int = 1000
) -> tuple[tuple[int, Entry], ...]:
    """Return what was made from an architecture, each with its number of steps from it.

    What was made of one of them follows it.
    """
    rows = store.index.rows(
        "WITH RECURSIVE down (id, entry, depth, made) AS ("
        "SELECT id, entry, 1, made FROM architecture WHERE parent = ? "
        "UNION ALL SELECT a.id, a.entry, down.depth + 1, a.made "
        "FROM down JOIN architecture AS a ON a.parent = down.id ORDER BY 3 DESC, 4) "
        "SELECT depth, entry FROM down LIMIT ?",
        (architecture_id, limit),
    )
    return tuple((int(str(depth)), entry_of(entry)) for depth, entry in rows)


def names(store: Store, architecture_ids: Iterable[ArchitectureId]) -> dict[ArchitectureId, str]:
    """Return the names of architectures, of those that are listed."""
    found: dict[ArchitectureId, str] = {}
    for each in dict.fromkeys(architecture_ids):
        entry = store.entry(each)
        if entry is not None:
            found[each] = entry.name
    return found


def measured_baselines(store: Store, dataset: Name) -> tuple[ArchitectureId, ...]:
    """Return the baselines that were measured here on a data set, in the order of their names."""
    rows = store.index.rows(
        "SELECT DISTINCT a.id, a.name FROM architecture AS a JOIN standing AS s ON s.ref = a.ref "
        "WHERE a.status = 'baseline' AND s.source = '' AND s.dataset = ? ORDER BY a.name",
        (dataset,),
    )
    return tuple(ArchitectureId(str(each)) for each, _ in rows)


def checked_inputs(store: Store) -> dict[ArchitectureId, frozenset[str]]:
    """Return the input sizes at which baselines were built, successfully or not."""
    rows = store.index.rows(
        "SELECT a.id, group_concat(c.input, ' ') FROM checked AS c "
        "JOIN architecture AS a ON a.ref = c.ref GROUP BY a.id"
    )
    return {ArchitectureId(str(each)): frozenset(str(inputs).split()) for each, inputs in rows}
