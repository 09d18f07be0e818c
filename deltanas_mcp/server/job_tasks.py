"""Jobs as tasks: a task's id is its job's, so that either may ask about the other."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from anyio import to_thread
from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import INTERNAL_ERROR, CallToolResult, TextContent
from pydantic import JsonValue

from deltanas_mcp.jobs import Job, Jobs
from deltanas_mcp.server.access import current_owner
from deltanas_mcp.server.job_info import poll_after, proposal_of, started
from deltanas_mcp.server.tasks import CompletedTask, Task
from deltanas_repo_store.errors import JobError


class JobTasks:
    """The jobs of a store, each seen by its owner alone."""

    tools = frozenset({"train_one_epoch", "propose_delta", "run_search", "finetune_lora"})
    """What starts jobs; get_job, which answers the same, is asked for how a job is doing."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs

    async def call(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult | Task:
        """Make the call; it is a task now if it started a job that goes on."""
        result = await call_next(ctx)
        job_id = _job_id(result)
        if job_id is None:
            return result
        job = await self._job(job_id)
        return result_of(job) if job.state in ("done", "failed") else _task(job)

    async def get(self, task_id: str) -> Task:
        """Return a job as a task.

        Raises:
            JobError: there is no such job, or it is another owner's.
        """
        return _task(await self._job(task_id))

    async def answer(self, task_id: str, responses: Mapping[str, JsonValue]) -> None:
        """Let answers drop: a job asks nothing."""

    async def cancel(self, task_id: str) -> None:
        """End a job and all it started.

        Raises:
            MCPError: it cannot be killed.
        """
        try:
            await to_thread.run_sync(partial(self._jobs.cancel, task_id, owner=current_owner()))
        except JobError as error:
            raise MCPError(INTERNAL_ERROR, str(error)) from error

    async def _job(self, job_id: str) -> Job:
        return await to_thread.run_sync(partial(self._jobs.get, job_id, owner=current_owner()))


def _job_id(result: HandlerResult) -> str | None:
    """Return the id of the job that a call started and that was not over when it answered."""
    if not isinstance(result, CallToolResult) or result.is_error:
        return None
    facts = result.structured_content or {}
    goes_on = facts.get("state") in ("queued", "running") or facts.get("status") == "pending"
    return facts.get("job_id") if goes_on else None


def _task(job: Job) -> Task:
    facts = {
        "task_id": job.id,
        "status_message": job.message or job.state,
        "created_at": job.created_at,
        "last_updated_at": job.ended_at or job.started_at or job.created_at,
        "poll_interval_ms": max(round(1000 * poll_after(job, datetime.now(UTC))), 1),
    }
    match job.state:
        case "done" | "failed":
            # Of a task that failed, the protocol means that the call itself did.
            result = result_of(job).model_dump(by_alias=True, mode="json", exclude_none=True)
            return CompletedTask.model_validate({**facts, "result": result})
        case "cancelled":
            return Task.model_validate({**facts, "status": "cancelled"})
        case _:
            return Task.model_validate({**facts, "status": "working"})


def result_of(job: Job) -> CallToolResult:
    """Return what the call would have answered if it had waited for the end."""
    try:
        answer = proposal_of(job) if job.kind == "propose" else started(job)
    except ToolError as error:
        return CallToolResult(is_error=True, content=[TextContent(type="text", text=str(error))])
    text = TextContent(type="text", text=answer.model_dump_json(indent=2))
    return CallToolResult(content=[text], structured_content=answer.model_dump(mode="json"))
