"""Prompts: three tasks that a person starts, each in the order of the tools that it takes."""

from string import Template
from typing import Annotated

from mcp import MCPError
from mcp.server import MCPServer
from mcp.types import INVALID_PARAMS
from pydantic import Field

from deltanas_mcp.server.room import ServerRoom
from deltanas_mcp.server.texts import text
from deltanas_repo_store.errors import DeltaNasError

MAX_GOAL_CHARS = 2000
MAX_MINUTES = 100_000.0
ACCURACY = "a higher accuracy"
"""What is wanted where nobody says."""

_Goal = Annotated[str, Field(description="What is wanted, in words; accuracy where left out.")]
_Dataset = Annotated[str, Field(description="Data set to train and compare on.")]


def add_prompts(server: MCPServer, room: ServerRoom) -> None:
    """Add the prompts."""

    @server.prompt(title="Improve an architecture")
    def improve_architecture(
        architecture: Annotated[str, Field(description="Its id or name.")],
        goal: _Goal = "",
        dataset: _Dataset = "digits",
    ) -> str:
        """Write deltas of an architecture, one idea each, until one is better by more than luck."""
        return _filled(
            "improve-architecture",
            architecture=_architecture(room, architecture),
            goal=_goal(goal),
            dataset=_dataset(dataset),
        )

    @server.prompt(title="Review a run")
    def review_run(run: Annotated[str, Field(description="Name of the run.")]) -> str:
        """Say what a run found, where its candidates failed, and what to try next."""
        return _filled("review-run", run=_run(room, run))

    @server.prompt(title="Search under a budget")
    def search_under_budget(
        goal: _Goal = "",
        minutes: Annotated[str, Field(description="Wall time that may be spent.")] = "30",
        dataset: _Dataset = "digits",
    ) -> str:
        """Run the built-in search within a number of minutes, then go on from what it found."""
        return _filled(
            "search-under-budget",
            goal=_goal(goal),
            minutes=_minutes(minutes),
            dataset=_dataset(dataset),
        )


def _filled(name: str, **values: str) -> str:
    return Template(text(name)).substitute(values)


def _architecture(room: ServerRoom, name: str) -> str:
    try:
        room.store().resolve(name)
    except DeltaNasError as error:
        raise MCPError(INVALID_PARAMS, str(error)) from error
    return name


def _run(room: ServerRoom, name: str) -> str:
    try:
        room.store().run_config(name)
    except DeltaNasError as error:
        raise MCPError(INVALID_PARAMS, str(error)) from error
    return name


def _dataset(name: str) -> str:
    from deltanas_tools.datasets import names

    if name not in names():
        raise MCPError(
            INVALID_PARAMS, f"no data set {name[:80]!r} is known; there are {', '.join(names())}"
        )
    return name


def _goal(goal: str) -> str:
    if len(goal) > MAX_GOAL_CHARS:
        raise MCPError(INVALID_PARAMS, f"a goal has at most {MAX_GOAL_CHARS} characters")
    return goal.strip() or ACCURACY


def _minutes(minutes: str) -> str:
    """Return a number of minutes as it is asked of run_search; arguments of prompts are text."""
    try:
        value = float(minutes)
    except ValueError:
        value = 0.0
    if not 0 < value <= MAX_MINUTES:
        raise MCPError(INVALID_PARAMS, f"minutes is a number such as 30, not {minutes[:80]!r}")
    return f"{value:g}"
