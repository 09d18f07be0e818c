"""What resources show of jobs: to each owner its own."""

from mcp.server.mcpserver.exceptions import ResourceNotFoundError

from deltanas_mcp.jobs import Job
from deltanas_mcp.server.resources.cutting import end_of
from deltanas_mcp.server.room import ServerRoom
from deltanas_repo_store.errors import JobError

LOG_LINES = 400
"""Of the end of a log."""


def found_job(room: ServerRoom, job_id: str, owner: str) -> Job:
    """Return a job of this owner.

    Raises:
        ResourceNotFoundError: there is none; in the same words where it is somebody else's.
    """
    try:
        return room.jobs.get(job_id, owner=owner)
    except JobError as error:
        raise ResourceNotFoundError(str(error)) from error


def log_of(room: ServerRoom, job_id: str, owner: str) -> str:
    """Return the end of a job's log.

    Raises:
        ResourceNotFoundError: this owner has no such job.
    """
    found_job(room, job_id, owner)
    text = room.jobs.log(job_id, owner=owner, lines=LOG_LINES)
    return end_of(text, rest="a person has the whole of it on the server's machine")
