"""Tools that show what the store has, and the one that brings a network in."""

import json
from functools import partial
from typing import Annotated

from mcp.server import MCPServer
from pydantic import Field

from deltanas_mcp.answers import ArchitectureInfo, ArchitecturePage, ImportedBaseline
from deltanas_mcp.server.resources.cutting import start_of
from deltanas_mcp.server.room import ServerRoom
from deltanas_mcp.server.told import add_tool, in_thread
from deltanas_mcp.server.tools.arguments import Target

MAX_SOURCE_CHARS = 40_000
"""Of a source that one answer shows; clients cut answers at about 25,000 tokens."""


def add_architecture_tools(server: MCPServer, room: ServerRoom) -> None:
    """Add list_architectures, get_architecture and import_baseline."""

    @add_tool(server, "List architectures", reads=True)
    async def list_architectures(
        dataset: Annotated[
            str | None, Field(max_length=64, description="Only what is measured on this one.")
        ] = None,
        query: Annotated[
            str, Field(max_length=200, description="Words of the name or the change.")
        ] = "",
        limit: Annotated[int, Field(ge=1, le=100)] = 20,
        offset: Annotated[int, Field(ge=0)] = 0,
    ) -> ArchitecturePage:
        """List the baselines and kept candidates of the store, best accuracy first."""
        return await in_thread(partial(_page, room, dataset, query, limit, offset))

    @add_tool(server, "Get an architecture", reads=True)
    async def get_architecture(
        architecture: Target,
        from_line: Annotated[int, Field(ge=1, description="First line of the source.")] = 1,
    ) -> ArchitectureInfo:
        """Return the source of an architecture, its hyper-parameters and its history."""
        return await in_thread(partial(_architecture, room, architecture, from_line))

    @add_tool(server, "Import a baseline", idempotent=True)
    async def import_baseline(
        name: Annotated[str, Field(max_length=64, description="Letters, digits, . _ and -.")],
        source: Annotated[
            str,
            Field(
                max_length=262_144,
                description="Python: class Net(in_shape, out_shape, prm, device) with forward, "
                "train_setup and learn, and a function supported_hyperparameters.",
            ),
        ],
        hparams_json: Annotated[
            str,
            Field(
                max_length=16_384,
                description="A JSON object of hyper-parameters; the usual ones where left out.",
            ),
        ] = "",
    ) -> ImportedBaseline:
        """Add a network as a baseline to search from. Nothing is run: train_one_epoch does.

        The same network under the same name again changes nothing; another one is refused.
        """
        return await in_thread(partial(_imported, room, name, source, hparams_json))


def _page(
    room: ServerRoom, dataset: str | None, query: str, limit: int, offset: int
) -> ArchitecturePage:
    from deltanas_mcp.listing import listed

    items = listed(room.store(), dataset=dataset, query=query)
    page = items[offset : offset + limit]
    after = offset + len(page)
    return ArchitecturePage(
        items=page, total=len(items), next_offset=after if after < len(items) else None
    )


def _architecture(room: ServerRoom, name: str, from_line: int) -> ArchitectureInfo:
    from deltanas_mcp.describe import describe

    store = room.store()
    architecture_id = store.resolve(name)
    found = store.get(architecture_id)
    shown, next_line = _cut(found.source, from_line)
    return ArchitectureInfo(
        id=architecture_id,
        parent_id=store.parent(architecture_id),
        source=shown,
        next_line=next_line,
        hparams_json=json.dumps(dict(found.hparams), sort_keys=True),
        description=start_of(
            describe(store, architecture_id, with_source=False),
            rest="the resource deltanas://architectures/{id}/diff/{other} has what it changed",
            max_chars=MAX_SOURCE_CHARS,
        ),
    )


def _cut(source: str, from_line: int) -> tuple[str, int | None]:
    """Return whole lines that fit into an answer, one at least, and the line after them."""
    lines = source.splitlines(keepends=True)[from_line - 1 :]
    chars = 0
    for count, line in enumerate(lines):
        chars += len(line)
        if chars > MAX_SOURCE_CHARS and count:
            return "".join(lines[:count]), from_line + count
    return "".join(lines), None


def _imported(room: ServerRoom, name: str, source: str, hparams_json: str) -> ImportedBaseline:
    from deltanas_agent.importing import import_network
    from deltanas_repo_store.importers.files import read_text

    store = room.store()
    there = any(each.name == name for each in store.baselines())
    architecture_id = import_network(store, read_text(name, source, hparams_json))
    return ImportedBaseline(id=architecture_id, name=name, is_new=not there)
