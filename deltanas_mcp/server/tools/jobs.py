"""Tools about jobs: get_job, list_jobs, cancel_job."""

from functools import partial
from typing import Annotated, Literal

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import Field

from deltanas_mcp.answers import JobInfo, JobPage
from deltanas_mcp.server.access import current_owner
from deltanas_mcp.server.job_info import job_info
from deltanas_mcp.server.room import ServerRoom
from deltanas_mcp.server.told import add_tool, in_thread
from deltanas_mcp.server.tools.arguments import JobId, Wait
from deltanas_mcp.server.waiting import wait_for_end


def add_job_tools(server: MCPServer, room: ServerRoom) -> None:
    """Add the tools about jobs. Each owner sees and ends its own jobs alone."""

    @add_tool(server, "Get a job", reads=True)
    async def get_job(
        ctx: Context,
        job_id: JobId,
        wait_s: Wait = 2,
        log_lines: Annotated[int, Field(ge=0, le=50, description="Of the end of its log.")] = 0,
    ) -> JobInfo:
        """Say how a job is doing, and its result when it has ended."""
        owner = current_owner()
        job = await in_thread(partial(room.jobs.get, job_id, owner=owner))
        job = await wait_for_end(room, ctx, job, wait_s)
        log = ""
        if log_lines:
            log = await in_thread(partial(room.jobs.log, job_id, owner=owner, lines=log_lines))
        return job_info(job, log=log)

    @add_tool(server, "List jobs", reads=True)
    async def list_jobs(
        state: Annotated[
            Literal["queued", "running", "done", "failed", "cancelled"] | None,
            Field(description="Only those in this state."),
        ] = None,
        limit: Annotated[int, Field(ge=1, le=50)] = 20,
    ) -> JobPage:
        """List your jobs, the newest first."""
        owner = current_owner()
        jobs = await in_thread(partial(room.jobs.list, owner=owner, state=state, limit=limit))
        return JobPage(items=[job_info(each) for each in jobs])

    @add_tool(server, "Cancel a job", destructive=True, idempotent=True)
    async def cancel_job(job_id: JobId) -> JobInfo:
        """End a job and everything it started, within a second. What it finished stays."""
        owner = current_owner()
        return job_info(await in_thread(partial(room.jobs.cancel, job_id, owner=owner)))
