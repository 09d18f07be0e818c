"""Tools and a prompt that ask the client back: its user, its model, or for its roots.

Some ask as our own tools would, by a parameter that is resolved, which serves both eras of the
protocol. Those that the suite calls ``input_required_result`` write the question out, because it
looks for them by the names of their questions.
"""

from typing import Annotated, TypeVar

from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve, Sample
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequest,
    InputRequiredResult,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel, Field, JsonValue

_Answer = TypeVar("_Answer", ElicitResult, CreateMessageResult, ListRootsResult)


class Contact(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class Defaults(BaseModel):
    """A default of every simple type (SEP-1034)."""

    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field("active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = True


def _titled(*names: str) -> list[JsonValue]:
    return [{"const": name, "title": name.title()} for name in names]


class Choices(BaseModel):
    """The five ways to let a user choose (SEP-1330)."""

    untitledSingle: str = Field(json_schema_extra={"enum": ["option1", "option2", "option3"]})
    titledSingle: str = Field(json_schema_extra={"oneOf": _titled("value1", "value2", "value3")})
    legacyEnum: str = Field(
        json_schema_extra={"enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]}
    )
    untitledMulti: list[str] = Field(
        json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2"]}}
    )
    titledMulti: list[str] = Field(
        json_schema_extra={"items": {"anyOf": _titled("value1", "value2")}}
    )


def form(message: str, name: str, kind: str = "string") -> ElicitRequest:
    """Return a question for one value."""
    schema = {"type": "object", "properties": {name: {"type": kind}}, "required": [name]}
    params = ElicitRequestFormParams(message=message, requested_schema=schema)
    return ElicitRequest(params=params)


def answer_to(ctx: Context, question: str, kind: type[_Answer]) -> _Answer | None:
    """Return the client's answer to a question; None where there is none of this kind."""
    answer = (ctx.input_responses or {}).get(question)
    return answer if isinstance(answer, kind) else None


def value_of(answer: ElicitResult, name: str) -> object:
    """Return what a form was filled in with."""
    return (answer.content or {}).get(name)


def asking(state: str | None = None, /, **questions: InputRequest) -> InputRequiredResult:
    """Return questions; ``state`` comes back with the answers, sealed by the SDK."""
    return InputRequiredResult(input_requests=questions, request_state=state)


def add_asking_fixtures(server: MCPServer) -> None:
    """Add what asks the client."""
    _add_resolved(server)
    _add_questions(server)
    _add_states(server)
    _add_several(server)


def _sampling(text: str, max_tokens: int = 100) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    params = CreateMessageRequestParams(messages=[message], max_tokens=max_tokens)
    return CreateMessageRequest(params=params)


def _add_resolved(server: MCPServer) -> None:
    def sampled(prompt: str) -> Sample:
        message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        return Sample([message], max_tokens=100)

    def contact(message: str) -> Elicit[Contact]:
        return Elicit(message, Contact)

    def defaults() -> Elicit[Defaults]:
        return Elicit("Please provide user information", Defaults)

    def choices() -> Elicit[Choices]:
        return Elicit("Please choose", Choices)

    def greeting() -> Sample:
        return sampled("Say hello")

    @server.tool()
    def test_sampling(prompt: str, answer: Annotated[CreateMessageResult, Resolve(sampled)]) -> str:
        """Ask the client's model."""
        return f"LLM response: {answer.content}"

    @server.tool()
    def test_missing_capability(answer: Annotated[CreateMessageResult, Resolve(greeting)]) -> str:
        """Ask the client's model, even of a client that offers none."""
        return f"LLM response: {answer.content}"

    @server.tool()
    def test_elicitation(
        message: str, answer: Annotated[ElicitationResult[Contact], Resolve(contact)]
    ) -> str:
        """Ask the user for a name and an address."""
        return f"User response: {answer}"

    @server.tool()
    def test_elicitation_sep1034_defaults(
        answer: Annotated[ElicitationResult[Defaults], Resolve(defaults)],
    ) -> str:
        """Ask the user, with defaults."""
        return f"Elicitation completed: {answer}"

    @server.tool()
    def test_elicitation_sep1330_enums(
        answer: Annotated[ElicitationResult[Choices], Resolve(choices)],
    ) -> str:
        """Ask the user to choose."""
        return f"Elicitation completed: {answer}"

    @server.tool()
    def test_streaming_elicitation(
        answer: Annotated[ElicitationResult[Defaults], Resolve(defaults)],
    ) -> str:
        """Ask the user; the stream of the call carries no request."""
        return f"Elicitation completed: {answer}"


def _add_questions(server: MCPServer) -> None:
    @server.tool()
    def test_input_required_result_elicitation(ctx: Context) -> str | InputRequiredResult:
        """Ask the user for a name."""
        answer = answer_to(ctx, "user_name", ElicitResult)
        if answer is None:
            return asking(user_name=form("What is your name?", "name"))
        return f"Hello, {value_of(answer, 'name')}!"

    @server.tool()
    def test_input_required_result_sampling(ctx: Context) -> str | InputRequiredResult:
        """Ask the client's model for a capital."""
        answer = answer_to(ctx, "capital_question", CreateMessageResult)
        if answer is None:
            return asking(capital_question=_sampling("What is the capital of France?"))
        return f"{answer.content}"

    @server.tool()
    def test_input_required_result_list_roots(ctx: Context) -> str | InputRequiredResult:
        """Ask the client for its roots."""
        answer = answer_to(ctx, "client_roots", ListRootsResult)
        if answer is None:
            return asking(client_roots=ListRootsRequest())
        return ", ".join(str(root.uri) for root in answer.roots)

    @server.prompt()
    def test_input_required_result_prompt(ctx: Context) -> str | InputRequiredResult:
        """Ask the user what the prompt is about."""
        answer = answer_to(ctx, "user_context", ElicitResult)
        if answer is None:
            return asking(user_context=form("What context should the prompt use?", "context"))
        return f"Think of {value_of(answer, 'context')}."


def _add_states(server: MCPServer) -> None:
    def confirmed(ctx: Context) -> str | InputRequiredResult:
        """Ask the user to confirm; what the server knew comes back with the answer."""
        answer = answer_to(ctx, "confirm", ElicitResult)
        if answer is None or ctx.request_state != "asked":
            return asking("asked", confirm=form("Please confirm", "ok", "boolean"))
        return "state-ok"

    for name in ("request_state", "tampered_state"):
        server.add_tool(confirmed, name=f"test_input_required_result_{name}")

    @server.tool()
    def test_input_required_result_multi_round(ctx: Context) -> str | InputRequiredResult:
        """Ask the user twice."""
        name = answer_to(ctx, "step1", ElicitResult)
        color = answer_to(ctx, "step2", ElicitResult)
        if color is not None and ctx.request_state is not None:
            return f"{ctx.request_state} likes {value_of(color, 'color')}"
        if name is not None:
            question = form("Step 2: What is your favorite color?", "color")
            return asking(str(value_of(name, "name")), step2=question)
        return asking("nobody yet", step1=form("Step 1: What is your name?", "name"))


def _add_several(server: MCPServer) -> None:
    @server.tool()
    def test_input_required_result_multiple_inputs(ctx: Context) -> str | InputRequiredResult:
        """Ask the user, the client's model and for the client's roots at once."""
        name = answer_to(ctx, "user_name", ElicitResult)
        greeting = answer_to(ctx, "greeting", CreateMessageResult)
        roots = answer_to(ctx, "client_roots", ListRootsResult)
        if name is None or greeting is None or roots is None:
            return asking(
                "asked",
                user_name=form("What is your name?", "name"),
                greeting=_sampling("Generate a greeting", 50),
                client_roots=ListRootsRequest(),
            )
        return f"{greeting.content} {value_of(name, 'name')}, at home in {len(roots.roots)} places"

    @server.tool()
    def test_input_required_result_capabilities(ctx: Context) -> str | InputRequiredResult:
        """Ask what the client says it can answer."""
        offered = ctx.client_capabilities
        questions: dict[str, InputRequest] = {}
        if offered is not None and offered.elicitation is not None:
            questions["user_name"] = form("What is your name?", "name")
        if offered is not None and offered.sampling is not None:
            questions["greeting"] = _sampling("Generate a greeting", 50)
        if ctx.input_responses or not questions:
            return "nothing more to ask"
        return asking(**questions)
