"""A client that knows tasks, for tests: the SDK has none."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from mcp import Client
from mcp.client import ClaimContext, ClientExtension, ResultClaim
from mcp.types import CallToolResult, Request, RequestParams, Result
from pydantic import ConfigDict, Field

from deltanas_mcp.server.tasks import TASKS


class Answer(Result):
    """Whatever was answered, as it came."""

    model_config = ConfigDict(extra="allow")

    def facts(self) -> dict[str, Any]:
        return {**self.model_dump(by_alias=True, exclude={"meta"}), **(self.model_extra or {})}


class Seed(Answer):
    """A call that became a task."""

    result_type: Literal["task"] = Field(alias="resultType")


class TaskParams(RequestParams):
    task_id: str = Field(serialization_alias="taskId")


class TaskRequest(Request[TaskParams, str]):
    name_param: ClassVar[str | None] = "taskId"


class UpdateParams(TaskParams):
    input_responses: dict[str, Any] = Field(serialization_alias="inputResponses")


class UpdateRequest(Request[UpdateParams, Literal["tasks/update"]]):
    name_param: ClassVar[str | None] = "taskId"


class KnowsTasks(ClientExtension):
    """Declares the extension, and leaves what to do with a task to the test."""

    identifier = TASKS

    def claims(self) -> Sequence[ResultClaim[Seed]]:
        return [ResultClaim(result_type="task", model=Seed, resolve=self._resolve)]

    async def _resolve(self, seed: Seed, context: ClaimContext) -> CallToolResult:
        raise AssertionError("the test looks after its tasks itself")


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool; return the whole answer as the wire has it."""
    answer = await client.session.call_tool(tool, arguments, allow_claimed=True)
    return answer.facts() if isinstance(answer, Answer) else answer.model_dump(by_alias=True)


async def ask(client: Client, method: str, task_id: str) -> dict[str, Any]:
    """Send ``tasks/get`` or ``tasks/cancel``; return the answer as the wire has it."""
    request = TaskRequest(method=method, params=TaskParams(task_id=task_id))
    return (await client.session.send_request(request, Answer)).facts()


async def update(client: Client, task_id: str, responses: dict[str, Any]) -> dict[str, Any]:
    """Send answers to a task's questions."""
    params = UpdateParams(task_id=task_id, input_responses=responses)
    request = UpdateRequest(method="tasks/update", params=params)
    return (await client.session.send_request(request, Answer)).facts()
