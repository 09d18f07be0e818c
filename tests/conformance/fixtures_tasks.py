"""Tasks that live in this process and may ask the client: a second source beside our jobs."""

import secrets
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp import MCPError
from mcp.server import MCPServer
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, require_client_extension
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import INTERNAL_ERROR, CallToolResult, ElicitResult, InputRequiredResult
from pydantic import JsonValue

from deltanas_mcp.server.tasks import TASKS, CompletedTask, Task, TaskStatus
from deltanas_repo_store.errors import JobError
from tests.conformance.fixtures_asking import answer_to, asking, form, value_of

POLL_MS = 100
TTL_MS = 3_600_000


class FailedTask(Task):
    """A task whose call came to no result."""

    status: TaskStatus = "failed"
    error: dict[str, JsonValue]


class AskingTask(Task):
    """A task that waits for answers."""

    status: TaskStatus = "input_required"
    input_requests: dict[str, JsonValue]


class Running:
    """A call that may become a task, if its tool says so before it returns."""

    def __init__(self) -> None:
        self.id = secrets.token_urlsafe(18)
        self.scope = anyio.CancelScope()
        self.is_task = False
        self.decided = anyio.Event()
        """Set once it is a task, or has ended without becoming one."""
        self.returned: HandlerResult = None
        self.error: MCPError | None = None
        self.cancelled = False
        self._created = self._updated = datetime.now(UTC)
        self._questions: dict[str, JsonValue] = {}
        self._answers: dict[str, JsonValue] = {}
        self._answered = anyio.Event()
        self._num_questions = 0

    async def run(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> None:
        """Make the call to its end."""
        _current.set(self)
        with self.scope:
            try:
                self.returned = await call_next(ctx)
            except MCPError as error:
                self.error = error
        self.cancelled = self.scope.cancelled_caught
        self._updated = datetime.now(UTC)
        self.decided.set()

    def become_task(self) -> None:
        """Have the client wait no longer."""
        self.is_task = True
        self.decided.set()

    async def ask(self, message: str) -> JsonValue:
        """Ask the user to confirm, and wait for the answer."""
        self._num_questions += 1
        name = f"question-{self._num_questions}"
        question = form(message, "confirm", "boolean")
        self._questions[name] = question.model_dump(by_alias=True, mode="json", exclude_none=True)
        self._updated = datetime.now(UTC)
        while name not in self._answers:
            await self._answered.wait()
        return self._answers[name]

    def answer(self, responses: Mapping[str, JsonValue]) -> None:
        """Take answers to what was asked; the rest is let drop."""
        for name in responses.keys() & self._questions.keys():
            self._answers[name] = responses[name]
            del self._questions[name]
        self._updated = datetime.now(UTC)
        self._answered.set()
        self._answered = anyio.Event()

    def task(self) -> Task:
        """Return it as it is now."""
        facts: dict[str, Any] = {
            "task_id": self.id,
            "created_at": self._created,
            "last_updated_at": self._updated,
            "ttl_ms": TTL_MS,
            "poll_interval_ms": POLL_MS,
        }
        if self.error is not None:
            error = self.error.error.model_dump(exclude_none=True)
            return FailedTask(**facts, status_message=self.error.error.message, error=error)
        if isinstance(self.returned, CallToolResult):
            result = self.returned.model_dump(by_alias=True, mode="json", exclude_none=True)
            return CompletedTask(**facts, result=result)
        if self._questions and not self.cancelled:
            return AskingTask(**facts, input_requests=dict(self._questions))
        return Task(**facts, status="cancelled" if self.cancelled else "working")


_current: ContextVar[Running | None] = ContextVar("_current", default=None)


class InProcessTasks:
    """Runs calls in a task group that outlives them."""

    tools = frozenset(
        {
            "slow_compute",
            "failing_job",
            "protocol_error_job",
            "confirm_delete",
            "multi_input",
            "test_tool_with_task",
        }
    )

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._running: dict[str, Running] = {}

    async def call(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult | Task:
        """Make the call beside this one; wait for its end or for it to become a task."""
        running = Running()
        self._group.start_soon(running.run, ctx, call_next)
        await running.decided.wait()
        if running.is_task:
            self._running[running.id] = running
            return running.task()
        if running.error is not None:
            raise running.error
        return running.returned

    async def get(self, task_id: str) -> Task:
        return self._find(task_id).task()

    async def answer(self, task_id: str, responses: Mapping[str, JsonValue]) -> None:
        self._find(task_id).answer(responses)

    async def cancel(self, task_id: str) -> None:
        self._find(task_id).scope.cancel()

    def _find(self, task_id: str) -> Running:
        if task_id not in self._running:
            raise JobError(f"there is no task {task_id[:64]!r}")
        return self._running[task_id]


def add_task_fixtures(server: MCPServer) -> None:
    """Add what becomes a task."""
    _add_work(server)
    _add_asking(server)


def _become_task(ctx: Context) -> Running:
    require_client_extension(ctx.request_context, TASKS)
    running = _current.get()
    assert running is not None
    running.become_task()
    return running


def _add_work(server: MCPServer) -> None:
    @server.tool()
    async def slow_compute(seconds: float, label: str = "") -> str:
        """Take some time."""
        if running := _current.get():
            running.become_task()
        await anyio.sleep(seconds)
        return f"{label} took {seconds} s"

    @server.tool()
    async def failing_job(ctx: Context) -> str:
        """Fail after a while, and only as a task."""
        _become_task(ctx)
        await anyio.sleep(1)
        raise ToolError("This job fails")

    @server.tool()
    async def protocol_error_job(ctx: Context) -> str:
        """End in an error of the protocol."""
        _become_task(ctx)
        raise MCPError(INTERNAL_ERROR, "This job comes to no result")


def _add_asking(server: MCPServer) -> None:
    @server.tool()
    async def confirm_delete(ctx: Context, filename: str) -> str:
        """Ask before the deed."""
        return f"{filename}: {await _become_task(ctx).ask(f'Delete {filename}?')}"

    @server.tool()
    async def multi_input(ctx: Context) -> str:
        """Ask two things at once."""
        running = _become_task(ctx)
        answers: list[JsonValue] = []

        async def ask(message: str) -> None:
            answers.append(await running.ask(message))

        async with anyio.create_task_group() as group:
            group.start_soon(ask, "The first?")
            group.start_soon(ask, "The second?")
        return f"{len(answers)} answers"

    @server.tool()
    async def test_tool_with_task(ctx: Context) -> str | InputRequiredResult:
        """Ask the user, and become a task then."""
        answer = answer_to(ctx, "user_name", ElicitResult)
        if answer is None:
            return asking(user_name=form("What is your name?", "name"))
        _become_task(ctx)
        await anyio.sleep(0.2)
        return f"Hello, {value_of(answer, 'name')}!"
