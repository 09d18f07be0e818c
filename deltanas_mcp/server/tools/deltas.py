"""Tools that take a delta on: apply_patch and novelty_check."""

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated

from mcp.server import MCPServer
from pydantic import Field

from deltanas_mcp.answers import AppliedDelta, NoveltyAnswer
from deltanas_mcp.server.room import ServerRoom
from deltanas_mcp.server.told import add_tool, in_thread
from deltanas_mcp.server.tools.arguments import MAX_DELTA_CHARS, Candidate, Target

if TYPE_CHECKING:
    from deltanas_agent.submit import Submission
    from deltanas_tools.apply_patch import Applied

RUN = "mcp"
"""Run that holds the candidates of assistants."""


def add_delta_tools(server: MCPServer, room: ServerRoom) -> None:
    """Add apply_patch and novelty_check."""

    @add_tool(server, "Apply a delta")
    async def apply_patch(
        parent: Target,
        delta: Annotated[
            str,
            Field(
                max_length=MAX_DELTA_CHARS,
                description="Unified diff of net.py, or SEARCH/REPLACE blocks.",
            ),
        ],
        summary: Annotated[
            str, Field(max_length=200, description="What it changes, in a few words.")
        ] = "",
        dry_run: Annotated[bool, Field(description="Only say whether it applies.")] = False,
    ) -> AppliedDelta:
        """Apply a delta to an architecture and keep the result as a pending candidate.

        Takes a unified diff or SEARCH/REPLACE blocks. Each hunk must stand in the parent, in one
        place; line numbers may be wrong. A refusal names the hunk, the line and the nearest
        place, and is recorded.
        """
        return await in_thread(partial(_apply, room, parent, delta, summary, dry_run))

    @add_tool(server, "Check novelty", reads=True)
    async def novelty_check(candidate: Candidate) -> NoveltyAnswer:
        """Compare a candidate or architecture with every other one in the store.

        Says whether the same network, the same computation (of what was built), nearly the same
        text, or the same idea is there already.
        """
        return await in_thread(partial(_novelty, room, candidate))


def _apply(room: ServerRoom, parent: str, delta: str, summary: str, dry_run: bool) -> AppliedDelta:
    from deltanas_agent.submit import preview, submit
    from deltanas_repo_store.records import Proposal

    store = room.store()
    parent_id = store.resolve(parent)
    if dry_run:
        seen = preview(store, parent=parent_id, answer=delta)
        return _applied(seen, seen.canonical_diff, candidate=None)
    proposal = Proposal(answer=delta, proposer="caller", summary=summary, seed=0)
    kept = submit(store, run=RUN, parent=parent_id, proposal=proposal)
    return _applied(kept, kept.delta, candidate=f"{RUN}/{kept.pending.key.name}")


def _applied(made: "Applied | Submission", delta: str, *, candidate: str | None) -> AppliedDelta:
    return AppliedDelta(
        candidate=candidate,
        delta=delta,
        relaxations=list(made.relaxations),
        format=made.format,
        hparams_json=json.dumps(dict(made.hparams), sort_keys=True),
        hparams_problems=list(made.hparams_problems),
    )


def _novelty(room: ServerRoom, candidate: str) -> NoveltyAnswer:
    from deltanas_agent.submit import applied
    from deltanas_repo_store.entries import in_words

    store = room.store()
    pending = store.find_pending(candidate)
    if pending is None:
        own = store.resolve(candidate)
        architecture, parent = store.get(own), store.parent(own)
    else:
        own, parent = None, pending.parent
        architecture = applied(store, pending)
    with room.bench() as bench:
        index = bench.novelty_index()
        report = index.check(architecture.source, leave_out=own, parent=parent)
    return NoveltyAnswer(
        is_novel=report.is_novel,
        similarity=report.similarity,
        nearest_id=report.nearest,
        exact_duplicate_of=report.exact_duplicate_of,
        same_computation_as=report.same_computation_as,
        nearest=[f"{e.name}: {e.similarity:.3f}, {e.fate}" for e in report.neighbours],
        tried=[in_words(idea) for idea in report.tried],
        threshold=report.threshold,
    )
