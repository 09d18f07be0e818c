"""Waiting for a job within a call, with progress for whoever listens."""

import time
from functools import partial

import anyio
from mcp.server.mcpserver import Context

from deltanas_mcp.jobs import Job
from deltanas_mcp.server.room import ServerRoom
from deltanas_mcp.server.told import in_thread

LOOK_SECONDS = 0.2
"""Between two looks at the job's row."""
WORD_SECONDS = 5.0
"""A client hears of the job so often at least: some give up where nothing comes."""


async def wait_for_end(room: ServerRoom, ctx: Context, job: Job, seconds: float) -> Job:
    """Return the job when it has ended, or as it is after so many seconds."""
    deadline = time.monotonic() + seconds
    told, told_at, shown = None, 0.0, 0.0
    while not job.ended and (left := deadline - time.monotonic()) > 0:
        words = (job.progress, job.total, job.message)
        if words != told or time.monotonic() - told_at >= WORD_SECONDS:
            # The protocol wants every report to be higher than the one before.
            shown = job.progress if job.progress > shown else shown + 1e-6
            await ctx.report_progress(shown, job.total, job.message or job.state)
            told, told_at = words, time.monotonic()
        await anyio.sleep(min(LOOK_SECONDS, left))
        job = await in_thread(partial(room.jobs.get, job.id, owner=job.owner))
    return job
