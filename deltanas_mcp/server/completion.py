"""Completion of arguments of prompts and resource templates: names and ids that there are."""

from collections.abc import Iterable, Iterator
from functools import partial

from anyio import to_thread
from mcp import MCPError
from mcp.server import MCPServer
from mcp.types import (
    INTERNAL_ERROR,
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)

from deltanas_mcp.server.access import current_owner
from deltanas_mcp.server.room import ServerRoom
from deltanas_repo_store.errors import DeltaNasError

MAX_VALUES = 100
"""The protocol's limit."""
MAX_JOBS = 50


def add_completion(server: MCPServer, room: ServerRoom) -> None:
    """Add completion for every argument that names something."""

    async def complete(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        chosen = (context.arguments if context else None) or {}
        find = partial(_matching, room, argument.name, argument.value, set(chosen.values()))
        try:
            found = await to_thread.run_sync(find)
        except DeltaNasError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from error
        return Completion(
            values=found[:MAX_VALUES], total=len(found), has_more=len(found) > MAX_VALUES
        )

    # The SDK's decorator has no annotations.
    server.completion()(complete)  # type: ignore[no-untyped-call]


def _matching(room: ServerRoom, argument: str, typed: str, chosen: set[str]) -> list[str]:
    """Return values that have what was typed: those that begin with it first."""
    wanted = typed.casefold()
    values = list(dict.fromkeys(_values(room, argument, wanted)))
    found = [each for each in values if wanted in each.casefold() and each not in chosen]
    return sorted(found, key=lambda each: not each.casefold().startswith(wanted))


def _values(room: ServerRoom, argument: str, wanted: str) -> Iterable[str]:
    """Return the values of an argument; the same name means the same thing everywhere."""
    match argument:
        case "id" | "other" | "architecture":
            return _architectures(room, wanted)
        case "path":
            return ("net.py", "hparams.json")
        case "dataset":
            return _datasets(room)
        case "run":
            return room.store().runs()
        case "job_id":
            jobs = room.jobs.list(owner=current_owner(), limit=MAX_JOBS)
            return (job.id for job in jobs)
        case "minutes":
            return ("10", "30", "60", "240", "720")
    return ()


def _architectures(room: ServerRoom, wanted: str) -> Iterator[str]:
    """Yield the names of architectures, the best first, and ids that begin as what was typed."""
    from deltanas_mcp.listing import listed

    for item in listed(room.store(), dataset=None, query=""):
        yield item.name
        if wanted and item.id.startswith(wanted):
            yield item.id


def _datasets(room: ServerRoom) -> Iterator[str]:
    """Yield data sets: those that something is measured on, then all that are known."""
    from deltanas_repo_store.queries import Wanted, leaderboard
    from deltanas_tools.datasets import names

    yield from (row.dataset for row in leaderboard(room.store(), Wanted(limit=1)))
    yield from names()
