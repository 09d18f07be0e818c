"""Tasks: a call that is answered before it has ended, for clients that know the extension.

The ``io.modelcontextprotocol/tasks`` extension (SEP-2663) is not in the SDK; what the SDK has in
public is enough for it. The server decides what becomes a task: what would be a job anyway.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from mcp import MCPError
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import MethodBinding
from mcp.server.mcpserver import Extension, require_client_extension
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp.types import (
    HEADER_MISMATCH,
    INVALID_PARAMS,
    INVALID_REQUEST,
    CallToolRequestParams,
    RequestParams,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ConfigDict, Field, JsonValue
from pydantic.alias_generators import to_camel

from deltanas_mcp.server.access import Scope, lacking
from deltanas_repo_store.errors import JobError
from deltanas_repo_store.records import Record

TASKS = "io.modelcontextprotocol/tasks"
MODERN = frozenset(MODERN_PROTOCOL_VERSIONS)

TaskStatus = Literal["working", "input_required", "completed", "failed", "cancelled"]
_Request = ServerRequestContext[Any, Any]


class Task(Record):
    """A task as it is now; what only some states have is in classes of their own."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    task_id: str
    status: TaskStatus
    status_message: str = ""
    created_at: datetime
    last_updated_at: datetime
    ttl_ms: int | None = None
    """How long it is kept from its start; None: nobody can say."""
    poll_interval_ms: int

    def seed(self) -> dict[str, Any]:
        """Return what a call that becomes a task is answered with: how it is, not what of it."""
        return self._wire(include=set(Task.model_fields))

    def details(self) -> dict[str, Any]:
        """Return all there is to say, as ``tasks/get`` answers it."""
        return self._wire(include=None)

    def _wire(self, *, include: set[str] | None) -> dict[str, Any]:
        exclude = None if self.status_message else {"status_message"}
        return self.model_dump(mode="json", by_alias=True, include=include, exclude=exclude)


class CompletedTask(Task):
    """A task whose call has a result; that may be the words of a failure."""

    status: TaskStatus = "completed"
    result: dict[str, JsonValue]


class TaskSource(Protocol):
    """Where tasks come from: what becomes one, and how each goes on.

    All but ``call`` raise `JobError` where it has no such task, or it is another owner's.
    """

    @property
    def tools(self) -> frozenset[str]:
        """Names of the tools whose calls may become tasks."""
        ...

    async def call(self, ctx: _Request, call_next: CallNext) -> HandlerResult | Task:
        """Make a call of one of the tools; return its result, or the task that it is now."""
        ...

    async def get(self, task_id: str) -> Task:
        """Return a task as it is now."""
        ...

    async def answer(self, task_id: str, responses: Mapping[str, JsonValue]) -> None:
        """Take answers to what a task has asked; what it has not asked is let drop."""
        ...

    async def cancel(self, task_id: str) -> None:
        """End a task; one that has ended stays as it is."""
        ...


class TaskParams(RequestParams):
    """Which task a request is about."""

    task_id: str = Field(alias="taskId")


class UpdateParams(TaskParams):
    """Answers to what a task has asked, by the name of each question."""

    input_responses: dict[str, JsonValue] = Field(alias="inputResponses")


class Tasks(Extension):
    """Answers calls with tasks where the client declares that it knows them."""

    identifier = TASKS

    def __init__(self, *sources: TaskSource) -> None:
        self._sources = sources

    def methods(self) -> Sequence[MethodBinding]:
        """Return the requests of the extension. There is none that lists tasks: list_jobs does."""
        return [
            MethodBinding("tasks/get", TaskParams, self._get, MODERN),
            MethodBinding("tasks/update", UpdateParams, self._update, MODERN),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, MODERN),
        ]

    async def intercept_tool_call(
        self, params: CallToolRequestParams, ctx: _Request, call_next: CallNext
    ) -> HandlerResult:
        """Pass the call on, and answer with a task where it has become one."""
        source = next((each for each in self._sources if params.name in each.tools), None)
        if source is None or not _knows_tasks(ctx):
            return await call_next(ctx)
        answer = await source.call(ctx, call_next)
        return {"resultType": "task", **answer.seed()} if isinstance(answer, Task) else answer

    async def _get(self, ctx: _Request, params: TaskParams) -> HandlerResult:
        _, task = await self._find(ctx, params, scope="read")
        return task.details()

    async def _update(self, ctx: _Request, params: UpdateParams) -> HandlerResult:
        source, task = await self._find(ctx, params, scope="train")
        await source.answer(task.task_id, params.input_responses)
        return {}

    async def _cancel(self, ctx: _Request, params: TaskParams) -> HandlerResult:
        source, task = await self._find(ctx, params, scope="train")
        await source.cancel(task.task_id)
        return {}

    async def _find(
        self, ctx: _Request, params: TaskParams, *, scope: Scope
    ) -> tuple[TaskSource, Task]:
        """Return the task that a request is about, and whose it is.

        Raises:
            MCPError: the client may not ask that, or there is no such task of its own.
        """
        require_client_extension(ctx, TASKS)
        _check_header(ctx, params.task_id)
        if refusal := lacking(scope, to=ctx.method):
            raise MCPError(INVALID_REQUEST, refusal)
        words = ""
        for source in self._sources:
            try:
                return source, await source.get(params.task_id)
            except JobError as error:
                words = str(error)
        raise MCPError(INVALID_PARAMS, words)


def _knows_tasks(ctx: _Request) -> bool:
    capabilities = ctx.session.client_capabilities
    declared = capabilities.extensions if capabilities else None
    # On an older wire there is no such answer, whatever a client declares there.
    return ctx.protocol_version in MODERN and TASKS in (declared or {})


def _check_header(ctx: _Request, task_id: str) -> None:
    """Refuse a request that was routed by another name; some clients send none."""
    headers = ctx.request.headers if ctx.request is not None else {}
    name = headers.get(MCP_NAME_HEADER)
    if name is not None and decode_header_value(name) != task_id:
        raise MCPError(HEADER_MISMATCH, f"the header {MCP_NAME_HEADER} is not the taskId")
