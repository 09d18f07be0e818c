"""propose_delta: who writes a delta, and how the caller gets it."""

from functools import partial
from typing import Annotated, Literal

from anyio import to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Resolve, Sample
from mcp.types import CreateMessageResult, SamplingMessage, TextContent
from pydantic import Field

from deltanas_mcp.answers import ProposedDelta
from deltanas_mcp.jobs import Job
from deltanas_mcp.server.access import current_owner
from deltanas_mcp.server.job_info import proposal_of
from deltanas_mcp.server.room import ServerRoom
from deltanas_mcp.server.told import add_tool, in_thread, told_to_the_model
from deltanas_mcp.server.tools.arguments import Dataset, Goal, Key, Seed, Target, Wait
from deltanas_mcp.server.waiting import wait_for_end
from deltanas_repo_store.errors import ProposerError

Writer = Literal["auto", "caller", "mutation", "local", "sampling"]

MAX_SAMPLED_TOKENS = 4096
NUM_SIBLINGS = 6
"""How many earlier changes of a parent, and how they ended, a writer is told."""


def add_proposing_tools(server: MCPServer, room: ServerRoom) -> None:
    """Add propose_delta."""

    async def ask_the_client(
        ctx: Context,
        parent: str,
        goal: str = "",
        dataset: str = "digits",
        proposer: Writer = "auto",
    ) -> Sample | None:
        """Ask the client's own model, where that is wanted and the client offers it."""
        offered = ctx.client_capabilities is not None and ctx.client_capabilities.sampling
        if proposer != "sampling" or not offered:
            return None
        with told_to_the_model():
            brief = await to_thread.run_sync(partial(_brief, room, parent, dataset, goal))
        text = SamplingMessage(role="user", content=TextContent(type="text", text=brief))
        return Sample([text], max_tokens=MAX_SAMPLED_TOKENS)

    @add_tool(server, "Propose a delta", idempotent=True)
    async def propose_delta(
        ctx: Context,
        parent: Target,
        sampled: Annotated[CreateMessageResult | None, Resolve(ask_the_client)],
        goal: Goal = "",
        dataset: Dataset = "digits",
        proposer: Annotated[
            Writer,
            Field(
                description="caller: you write the delta, as the brief says. mutation: a random, "
                "seeded edit. local: the server's language model. sampling: your client's model. "
                "auto: local where the server has a model, else caller."
            ),
        ] = "auto",
        seed: Annotated[Seed, Field(description="Another seed, another delta.")] = 0,
        idempotency_key: Key = "",
        wait_s: Wait = 2,
    ) -> ProposedDelta:
        """Get a delta of an architecture, or the brief to write one yourself.

        Nothing is kept: apply_patch takes a delta on.
        """
        if proposer == "auto":
            proposer = "local" if room.settings.model else "caller"
        match proposer:
            case "caller":
                return await in_thread(partial(_to_write, room, parent, dataset, goal))
            case "mutation":
                return await in_thread(partial(_mutated, room, parent, dataset, seed))
            case "sampling":
                return await in_thread(partial(_sampled, room, parent, sampled))
        asked = partial(_submit, room, parent, dataset, goal, seed, idempotency_key)
        job = await in_thread(asked)
        return proposal_of(await wait_for_end(room, ctx, job, wait_s))


def _to_write(room: ServerRoom, parent: str, dataset: str, goal: str) -> ProposedDelta:
    brief = _brief(room, parent, dataset, goal)
    return ProposedDelta(
        status="needs_diff",
        parent_id=room.store().resolve(parent),
        proposer="caller",
        brief=f"{brief}\n\nThen call apply_patch with the parent and the diff.",
    )


def _mutated(room: ServerRoom, parent: str, dataset: str, seed: int) -> ProposedDelta:
    from deltanas_mcp.settings import parse_measurement
    from deltanas_tools.propose_delta.mutation import MutationProposer
    from deltanas_tools.propose_delta.port import Request

    with room.bench() as bench:
        parent_id = bench.store.resolve(parent)
        brief = bench.evaluator(parse_measurement(dataset=dataset)).brief(parent_id)
        [proposal] = MutationProposer().propose([Request(brief=brief, seed=seed)])
    return ProposedDelta(
        status="ready",
        parent_id=parent_id,
        delta=proposal.answer,
        summary=proposal.summary,
        proposer=proposal.proposer,
    )


def _sampled(room: ServerRoom, parent: str, sampled: CreateMessageResult | None) -> ProposedDelta:
    from deltanas_agent.submit import preview
    from deltanas_repo_store.errors import PatchError

    if sampled is None:
        raise ProposerError(
            "this client offers no sampling, so its model cannot be asked; call again with "
            "proposer: caller and write the delta, or with proposer: mutation"
        )
    store = room.store()
    parent_id = store.resolve(parent)
    blocks = sampled.content if isinstance(sampled.content, list) else [sampled.content]
    answer = "".join(each.text for each in blocks if isinstance(each, TextContent))
    try:
        applied = preview(store, parent=parent_id, answer=answer)
    except PatchError as error:
        raise ProposerError(
            f"the client's model ({sampled.model[:80]}) wrote what does not apply: {error}; "
            "ask again, or write the delta yourself (proposer: caller)"
        ) from error
    return ProposedDelta(
        status="ready", parent_id=parent_id, delta=applied.canonical_diff, proposer="sampling"
    )


def _submit(room: ServerRoom, parent: str, dataset: str, goal: str, seed: int, key: str) -> Job:
    from deltanas_mcp.work.records import ProposeArguments, checked

    asked = checked(
        ProposeArguments,
        parent=room.store().resolve(parent),
        dataset=dataset,
        goal=goal,
        seed=seed,
        model=room.model(),
    )
    return room.submit(asked, owner=current_owner(), device=room.model_device(), key=key)


def _brief(room: ServerRoom, parent: str, dataset: str, goal: str) -> str:
    """Return what a language model is told about a parent, in one text."""
    from deltanas_mcp.settings import parse_measurement
    from deltanas_repo_store.entries import BaselineEntry
    from deltanas_repo_store.queries import descendants
    from deltanas_tools.brief import messages

    with room.bench() as bench:
        parent_id = bench.store.resolve(parent)
        evaluator = bench.evaluator(parse_measurement(dataset=dataset))
        below = descendants(bench.store, parent_id, limit=NUM_SIBLINGS)
        siblings = tuple(
            entry.subject
            for depth, entry in below
            if depth == 1 and not isinstance(entry, BaselineEntry)
        )
        brief = evaluator.brief(parent_id, siblings=siblings)
    brief = brief.model_copy(update={"goal": goal})
    return "\n\n".join(each.text for each in messages(brief, "free-delta"))
