"""What a call of a tool came to, for tests."""

from typing import Any, Literal

from mcp import Client
from mcp.types import CallToolResult, TextContent

Era = Literal["auto", "legacy"]


def facts(result: CallToolResult) -> dict[str, Any]:
    """Return the structured content of a call that succeeded."""
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


def refusal(result: CallToolResult) -> str:
    """Return the text of a call that failed."""
    assert result.is_error
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def ended(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """Wait for a job, as an assistant does."""
    while not job["ended_at"]:
        call = {"job_id": job["job_id"], "wait_s": 45}
        job = facts(await client.call_tool("get_job", call))
    return job
