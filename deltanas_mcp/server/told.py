"""How tools speak to a model: what they are said to do, and our errors in words."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from inspect import cleandoc
from typing import Any, TypeVar

from anyio import to_thread
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

from deltanas_repo_store.errors import DeltaNasError

_Result = TypeVar("_Result")
_Function = TypeVar("_Function", bound=Callable[..., Any])


@contextmanager
def told_to_the_model() -> Generator[None]:
    """Pass our own errors on to the model; any other stays a crash, logged and withheld."""
    try:
        yield
    except DeltaNasError as error:
        raise ToolError(str(error)) from error


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """Do blocking work beside the event loop; our own errors are told to the model."""
    with told_to_the_model():
        return await to_thread.run_sync(work)


def add_tool(
    server: MCPServer,
    title: str,
    *,
    reads: bool = False,
    idempotent: bool = False,
    destructive: bool = False,
) -> Callable[[_Function], _Function]:
    """Return a decorator that adds a function as a tool; its docstring is what a model reads.

    All four hints are set: what is left out means the worst to a client. Nothing that a tool does
    reaches the world outside the store.
    """
    annotations = ToolAnnotations(
        title=title,
        read_only_hint=reads,
        destructive_hint=destructive,
        idempotent_hint=idempotent or reads,
        open_world_hint=False,
    )

    def add(function: _Function) -> _Function:
        description = cleandoc(function.__doc__ or "")
        return server.tool(description=description, annotations=annotations)(function)

    return add
