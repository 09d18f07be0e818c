"""The list of a store's architectures, as the MCP tools and jobs answer it."""

from collections.abc import Iterable

from deltanas_mcp.answers import ArchitectureSummary
from deltanas_mcp.settings import parse_wanted
from deltanas_repo_store.entries import RejectedEntry
from deltanas_repo_store.queries import Standing, leaderboard
from deltanas_repo_store.store import Store

_MAX_LISTED = 10_000
"""Standings of one task that a list can be paged through."""


def listed(store: Store, *, dataset: str | None, query: str) -> list[ArchitectureSummary]:
    """Return what can be a parent: the best accuracy first, what is not measured last.

    Args:
        store: The store.
        dataset: Only architectures that are measured on it; None: all.
        query: Words that the name or the change must have, whatever their case.

    Raises:
        ConfigError: ``dataset`` cannot be the name of one.
    """
    wanted = parse_wanted(dataset=dataset, split="search", limit=_MAX_LISTED)
    rows = leaderboard(store, wanted)
    items = summaries_of(rows)
    if dataset is None:
        measured = {row.id for row in rows}
        items += [
            ArchitectureSummary(id=entry.id, name=entry.name)
            for entry in store.entries()
            if not isinstance(entry, RejectedEntry) and entry.id not in measured
        ]
    words = query.casefold().split()
    return [each for each in items if all(word in _searched(each) for word in words)]


def summaries_of(standings: Iterable[Standing]) -> list[ArchitectureSummary]:
    """Return the lines of a leaderboard."""
    return [
        ArchitectureSummary(
            id=row.id,
            name=row.name,
            change=row.change,
            dataset=row.dataset,
            accuracy=row.accuracy,
            gain=row.gain,
            num_params=row.num_params,
        )
        for row in standings
    ]


def _searched(item: ArchitectureSummary) -> str:
    return f"{item.name} {item.change}".casefold()
