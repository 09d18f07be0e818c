"""A job, as everybody but its worker sees it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, JsonValue

from deltanas_mcp.work.records import JobKind
from deltanas_repo_store.records import Record

JobState = Literal["queued", "running", "done", "failed", "cancelled"]
DEVICE_PATTERN = r"cpu|cuda(:\d+)?"
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled")

__all__ = ["DEVICE_PATTERN", "ENDED", "Job", "JobKind", "JobState"]


class Job(Record):
    """A row of the table of jobs. Times are in UTC."""

    id: str
    kind: JobKind
    owner: str
    device: str
    arguments: dict[str, JsonValue]
    state: JobState
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: float
    total: float | None
    """What ``progress`` counts up to, where that is known."""
    message: str
    """The latest words about it."""
    queue_position: Annotated[int, Field(ge=1)] | None
    """1 is the next of its device; None where it does not wait."""
    result: dict[str, JsonValue] | None
    """Of a job that is done."""
    error: str
    """Why it failed; else empty."""

    @property
    def ended(self) -> bool:
        """True once nothing about it will change."""
        return self.state in ENDED

    def eta_seconds(self, now: datetime) -> float | None:
        """Return how long it still takes at the speed so far; None where that is unknown."""
        if self.state != "running" or self.started_at is None or self.total is None:
            return None
        if self.progress <= 0:
            return None
        elapsed = max((now - self.started_at).total_seconds(), 0.0)
        return elapsed * max(self.total - self.progress, 0.0) / self.progress
