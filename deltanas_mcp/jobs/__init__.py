"""Jobs: work that outlives the call, the connection and the server that asked for it.

A job is a row of a table in the store's folder. A worker per device, detached from whoever started
it, takes one after the other. What a row says is true whatever dies when: the kernel tells whether
a worker lives, by a lock that it lets go of in any case.
"""

from deltanas_mcp.jobs.jobs import Jobs
from deltanas_mcp.jobs.records import Job, JobKind, JobState

__all__ = ["Job", "JobKind", "JobState", "Jobs"]
