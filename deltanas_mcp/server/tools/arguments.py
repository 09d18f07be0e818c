"""Arguments that several tools have, described for a model to read."""

from typing import Annotated

from pydantic import Field

MAX_DELTA_CHARS = 262_144

Target = Annotated[
    str, Field(max_length=200, description="Id or name of an architecture, as the list has it.")
]
Candidate = Annotated[
    str,
    Field(max_length=200, description="Pending candidate (mcp/c01-003), or an architecture."),
]
Dataset = Annotated[str, Field(max_length=64, description="Name of a data set.")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Goal = Annotated[
    str, Field(max_length=2000, description="What is wanted besides accuracy, in words.")
]
DeviceName = Annotated[
    str, Field(max_length=16, description="One of the server's; its first where left out.")
]
Key = Annotated[
    str,
    Field(
        max_length=128,
        description="The same key and arguments again answer with the same job: safe to retry.",
    ),
]
Wait = Annotated[
    float,
    Field(
        ge=0,
        le=45,
        description="Wait so many seconds for the end, with progress. Then ask get_job.",
    ),
]
JobId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
