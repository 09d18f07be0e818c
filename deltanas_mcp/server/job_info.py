"""A job as tools answer it."""

from datetime import UTC, datetime

from mcp.server.mcpserver.exceptions import ToolError

from deltanas_mcp.answers import JobInfo, ProposedDelta
from deltanas_mcp.jobs import Job

POLL_SECONDS = (1.0, 30.0)
"""How soon, at least and at most, it is worth asking again."""


def job_info(job: Job, *, log: str = "") -> JobInfo:
    """Return a job as it is now, with the end of its log."""
    now = datetime.now(UTC)
    return JobInfo.model_validate(
        {
            "job_id": job.id,
            "kind": job.kind,
            "state": job.state,
            "device": job.device,
            "progress": job.progress,
            "total": job.total,
            "message": job.message,
            "queue_position": job.queue_position,
            "eta_s": None if job.ended else job.eta_seconds(now),
            "poll_after_s": poll_after(job, now),
            "created_at": _iso(job.created_at),
            "started_at": job.started_at and _iso(job.started_at),
            "ended_at": job.ended_at and _iso(job.ended_at),
            "error": job.error,
            "log": log,
            **(job.result or {}),
        }
    )


def started(job: Job) -> JobInfo:
    """Return a job that was just asked for.

    Raises:
        ToolError: it has failed already.
    """
    if job.state == "failed":
        raise ToolError(job.error)
    return job_info(job)


def proposal_of(job: Job) -> ProposedDelta:
    """Return what a job that proposes has come to.

    Raises:
        ToolError: it failed, or was cancelled.
    """
    info = started(job)
    if info.proposal is not None:
        return info.proposal
    if job.ended:
        raise ToolError(f"the job {job.id} was cancelled; nothing was proposed")
    parent = str(job.arguments["parent"])
    return ProposedDelta(status="pending", parent_id=parent, proposer="local", job_id=job.id)


def poll_after(job: Job, now: datetime) -> float:
    """Return after how many seconds it is worth asking again; 0 where the job has ended."""
    if job.ended:
        return 0.0
    shortest, longest = POLL_SECONDS
    left = job.eta_seconds(now)
    return shortest if left is None else min(max(left / 4, shortest), longest)


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
