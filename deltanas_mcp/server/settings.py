"""What a server is given: its store, its devices, its model and its limits."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from deltanas_mcp.jobs.records import DEVICE_PATTERN
from deltanas_repo_store.records import Record

Device = Annotated[str, Field(pattern=f"^({DEVICE_PATTERN})$")]


class ServerSettings(Record):
    """Everything that decides what a server does, however it is reached."""

    store: Path
    devices: Annotated[tuple[Device, ...], Field(min_length=1)] = ("cpu",)
    """Where jobs may run; the first where nobody says."""
    model: Path | None = None
    """TOML file with the language model that writes deltas, as in ``configs/models``."""
    max_queued: Annotated[int, Field(ge=1)] = 32
    """Jobs that may wait, over all owners."""
    max_queued_per_owner: Annotated[int, Field(ge=1)] = 16
