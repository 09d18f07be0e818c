"""What has been computed from architectures, kept in the index: written once, found by its key.

A *kind* names what is computed and the version of the rule; another version is another kind. The
rooms above know what is in the data. *Compared* are baselines, kept candidates, and those whose
training failed.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from deltanas_repo_store.entries import Entry, entry_of
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.store import Store

_COMPARED = "(a.status <> 'rejected' OR a.stage = 'train')"
_UP_TO = " up to"
"""Ends the kind of the row that says up to which number everything has been computed."""
_MOST = 16
"""Architectures that one key names, at most."""
_CHUNK = 4096


class Stamp(NamedTuple):
    """Which index this is, and how far it has come; equal stamps mean equal answers."""

    made: str
    losses: int
    """How many architectures have been taken out of it."""
    newest: int
    """Number of the newest architecture. Numbers grow, and are not used twice."""


class Waiting(NamedTuple):
    """An architecture of which something has not been computed."""

    number: int
    id: ArchitectureId
    tree: str
    parent: ArchitectureId | None


def stamp(store: Store) -> Stamp:
    """Look at the refs, and say which state of the index the answers are from."""
    [(made, losses, newest)] = store.index.rows(
        "SELECT made, losses, (SELECT coalesce(max(n), 0) FROM architecture) FROM state"
    )
    return Stamp(str(made), int(str(losses)), int(str(newest)))


def waiting(store: Store, kind: str, *, candidates: bool, up_to: int, limit: int) -> list[Waiting]:
    """Return the first that lack something, in the order of their numbers.

    ``candidates`` are all that have a parent, however they ended; else those that are compared.
    """
    rows = store.index.rows(
        f"SELECT a.n, a.id, a.tree, a.parent {_lacking(candidates)} ORDER BY a.n LIMIT ?",
        (kind + _UP_TO, up_to, limit),
    )
    return [Waiting(*row) for row in rows]  # type: ignore[arg-type]


def num_waiting(store: Store, kind: str, *, candidates: bool, up_to: int) -> int:
    """Return how many `waiting` would return without a limit."""
    [(count,)] = store.index.rows(f"SELECT count(*) {_lacking(candidates)}", (kind + _UP_TO, up_to))
    return int(str(count))


def _lacking(candidates: bool) -> str:
    which = "a.parent IS NOT NULL" if candidates else _COMPARED
    return (
        "FROM architecture AS a WHERE a.n > coalesce((SELECT CAST(key AS INTEGER) FROM derived "
        f"WHERE kind = ? AND tree = ''), 0) AND a.n <= ? AND {which}"
    )


def put(store: Store, kind: str, found: Iterable[tuple[str, str, bytes]], *, up_to: int) -> None:
    """Keep what was computed: of what, key and data of each; ``up_to`` is the last's number."""
    store.index.write(
        "INSERT OR REPLACE INTO derived VALUES (?, ?, ?, ?)",
        [(kind, of, key, data) for of, key, data in found],
    )
    store.index.write(
        "INSERT INTO derived VALUES (?, '', ?, x'') ON CONFLICT DO UPDATE SET key = excluded.key "
        "WHERE CAST(excluded.key AS INTEGER) > CAST(key AS INTEGER)",
        [(kind + _UP_TO, str(up_to))],
    )


def numbers(store: Store, kind: str, *, after: int, up_to: int) -> list[int]:
    """Return the numbers of what is compared and has a key, ascending."""
    rows = store.index.rows(
        f"SELECT a.n FROM architecture AS a WHERE a.n > ? AND a.n <= ? AND {_COMPARED} "
        "AND a.tree NOT IN (SELECT tree FROM derived WHERE kind = ? AND key = '') ORDER BY a.n",
        (after, up_to, kind),
    )
    return [number for (number,) in rows]  # type: ignore[misc]


def data_after(store: Store, kind: str, after: int) -> Iterator[Sequence[tuple[int, bytes]]]:
    """Yield numbers above ``after`` with their data, some at a time and in no order."""
    if after:
        yield store.index.rows(  # type: ignore[misc]
            "SELECT a.n, d.data FROM architecture AS a CROSS JOIN derived AS d "
            "ON d.kind = ? AND d.tree = a.tree WHERE a.n > ? AND d.key <> ''",
            (kind, after),
        )
        return
    # All of them: along two sorted columns, which is five times as fast as one by one.
    last = ""
    while True:
        [(count, final)] = store.index.rows(
            "SELECT count(*), max(tree) FROM "
            "(SELECT tree FROM derived WHERE kind = ? AND tree > ? ORDER BY tree LIMIT ?)",
            (kind, last, _CHUNK),
        )
        if not count:
            return
        yield store.index.rows(  # type: ignore[misc]
            "SELECT a.n, d.data FROM derived AS d CROSS JOIN architecture AS a ON a.tree = d.tree "
            "WHERE d.kind = ? AND d.tree > ? AND d.tree <= ? AND d.key <> '' ORDER BY d.tree",
            (kind, last, final),
        )
        last = str(final)


def with_key(store: Store, kind: str, key: str) -> tuple[Entry, ...]:
    """Return the compared architectures of which ``key`` was computed, the earliest first."""
    return _entries(
        store,
        "derived AS d CROSS JOIN architecture AS a ON a.tree = d.tree "
        f"WHERE d.kind = ? AND d.key = ? AND {_COMPARED}",
        (kind, key),
    )


def steps_with_key(store: Store, kind: str, key: str) -> tuple[Entry, ...]:
    """Return the candidates with this delta, however they ended, the earliest first."""
    return _entries(
        store,
        "derived AS d CROSS JOIN architecture AS a ON a.id = d.tree WHERE d.kind = ? AND d.key = ?",
        (kind, key),
    )


def computing(store: Store, traces: Collection[str]) -> tuple[Entry, ...]:
    """Return the compared architectures with one of these traces, the earliest first."""
    known = [trace for trace in traces if trace]
    marks = ", ".join("?" * len(known))
    return _entries(
        store,
        "architecture AS a WHERE a.n IN ("
        f"SELECT n FROM architecture WHERE trace IN ({marks}) UNION "
        "SELECT b.n FROM checked AS c CROSS JOIN architecture AS b ON b.ref = c.ref "
        f"WHERE c.trace IN ({marks})) AND {_COMPARED}",
        (*known, *known),
    )


def traces_of(store: Store, architecture_id: ArchitectureId) -> tuple[str, ...]:
    """Return what an architecture computes, at each input size that it was built for."""
    rows = store.index.rows(
        "SELECT trace FROM architecture WHERE id = ? AND trace IS NOT NULL UNION "
        "SELECT c.trace FROM architecture AS a CROSS JOIN checked AS c ON c.ref = a.ref "
        "WHERE a.id = ? AND c.trace IS NOT NULL",
        (architecture_id, architecture_id),
    )
    return tuple(str(trace) for (trace,) in rows)


def ids_at(store: Store, found: Collection[int]) -> dict[int, ArchitectureId]:
    """Return the architectures with these numbers."""
    rows = store.index.rows(
        f"SELECT n, id FROM architecture WHERE n IN ({', '.join('?' * len(found))})",
        tuple(found),
    )
    return {int(str(number)): ArchitectureId(str(each)) for number, each in rows}


def entries_at(store: Store, found: Collection[int]) -> dict[int, Entry]:
    """Return the entries of architectures with these numbers."""
    rows = store.index.rows(
        f"SELECT n, entry FROM architecture WHERE n IN ({', '.join('?' * len(found))})",
        tuple(found),
    )
    return {int(str(number)): entry_of(entry) for number, entry in rows}


def numbers_of(store: Store, architecture_id: ArchitectureId) -> frozenset[int]:
    """Return the numbers of an architecture: one for each of its names."""
    rows = store.index.rows("SELECT n FROM architecture WHERE id = ?", (architecture_id,))
    return frozenset(int(str(number)) for (number,) in rows)


def numbers_of_source(store: Store, architecture_id: ArchitectureId) -> frozenset[int]:
    """Return the numbers of what has the same files as an architecture, itself included."""
    rows = store.index.rows(
        "SELECT n FROM architecture WHERE tree IN (SELECT tree FROM architecture WHERE id = ?)",
        (architecture_id,),
    )
    return frozenset(int(str(number)) for (number,) in rows)


def _entries(store: Store, which: str, values: tuple[object, ...]) -> tuple[Entry, ...]:
    rows = store.index.rows(f"SELECT a.entry FROM {which} ORDER BY a.n LIMIT {_MOST}", values)
    return tuple(entry_of(entry) for (entry,) in rows)
