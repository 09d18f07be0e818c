"""The MCP server's tools, driven by the SDK's own client in both protocol eras."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.session import ClientRequestContext
from mcp.client.stdio import stdio_client
from mcp.server import MCPServer
from mcp.types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    TextContent,
)

from deltanas_mcp.wiring import open_store
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.store import Store
from tests.deltanas_mcp.calls import Era, ended, facts, refusal

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
TOOLS = {
    "list_architectures",
    "get_architecture",
    "import_baseline",
    "propose_delta",
    "apply_patch",
    "novelty_check",
    "train_one_epoch",
    "run_search",
    "finetune_lora",
    "get_job",
    "list_jobs",
    "cancel_job",
}


@pytest.fixture
def store(store_path: Path) -> Generator[Store]:
    with open_store(store_path) as opened:
        yield opened


async def test_the_twelve_tools_are_there_with_all_hints(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        listed = (await client.list_tools()).tools
    assert {tool.name for tool in listed} == TOOLS
    for tool in listed:
        assert len(tool.name) <= 32
        assert tool.annotations is not None
        assert None not in tool.annotations.model_dump().values()


async def test_arguments_are_flat(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        listed = (await client.list_tools()).tools
    for tool in listed:
        assert tool.input_schema["type"] == "object"
        assert "$defs" not in tool.input_schema
        assert tool.output_schema is not None
        assert tool.output_schema["type"] == "object"


async def test_an_assistant_can_work_from_the_list_to_a_commit(
    server: MCPServer, store: Store, era: Era
) -> None:
    async with Client(server, mode=era) as client:
        listed = facts(await client.call_tool("list_architectures", {}))
        assert {each["name"] for each in listed["items"]} == {"plain-cnn", "shuffle-net"}
        parent = facts(await client.call_tool("get_architecture", {"architecture": "plain-cnn"}))
        assert "class Net" in parent["source"]
        candidate = await _novel_candidate(client)
        begun = facts(await client.call_tool("train_one_epoch", {"candidate": candidate}))
        job = await ended(client, begun)
    trained = job["training"]
    assert (job["state"], trained["status"]) == ("done", "kept")
    assert trained["accuracy"] > 0.2
    [entry] = store.candidates("mcp")
    assert isinstance(entry, KeptEntry)
    assert (entry.id, entry.parent) == (trained["id"], parent["id"])


async def _novel_candidate(client: Client) -> str:
    """Propose until a delta is novel, as an assistant would."""
    for seed in range(20):
        call = {"parent": "plain-cnn", "proposer": "mutation", "seed": seed}
        delta = facts(await client.call_tool("propose_delta", call))["delta"]
        call = {"parent": "plain-cnn", "delta": delta}
        candidate = facts(await client.call_tool("apply_patch", call))["candidate"]
        report = facts(await client.call_tool("novelty_check", {"candidate": candidate}))
        if report["is_novel"]:
            return str(candidate)
    raise AssertionError("no novel delta in twenty")


async def test_the_same_seed_proposes_the_same_delta(server: MCPServer, era: Era) -> None:
    call = {"parent": "plain-cnn", "proposer": "mutation", "seed": 3}
    async with Client(server, mode=era) as client:
        first, second = [facts(await client.call_tool("propose_delta", call)) for _ in range(2)]
    assert first == second
    assert first["status"] == "ready"


async def test_a_caller_without_a_model_gets_a_brief_to_write_from(
    server: MCPServer, era: Era
) -> None:
    call = {"parent": "plain-cnn", "goal": "fewer parameters"}
    async with Client(server, mode=era) as client:
        proposed = facts(await client.call_tool("propose_delta", call))
    assert (proposed["status"], proposed["proposer"]) == ("needs_diff", "caller")
    for said in ("class Net", "digits: 10 classes", "fewer parameters", "unified diff"):
        assert said in proposed["brief"]


DELTA = "@@ -20,3 +20,3 @@\n-        kernel = 3\n+        kernel = 5\n"


async def _as_the_model(
    context: ClientRequestContext, params: CreateMessageRequestParams
) -> CreateMessageResult:
    [message] = params.messages
    assert isinstance(message.content, TextContent)
    assert "class Net" in message.content.text
    answer = TextContent(type="text", text=f"Here it is:\n```diff\n{DELTA}```\n")
    return CreateMessageResult(role="assistant", content=answer, model="the client's own")


async def test_a_client_that_offers_sampling_is_used_for_it_when_asked(
    server: MCPServer, era: Era
) -> None:
    call = {"parent": "plain-cnn", "proposer": "sampling"}
    async with Client(server, mode=era, sampling_callback=_as_the_model) as client:
        proposed = facts(await client.call_tool("propose_delta", call))
    assert (proposed["status"], proposed["proposer"]) == ("ready", "sampling")
    assert "+        kernel = 5\n" in proposed["delta"]


async def test_a_client_that_offers_sampling_is_not_used_for_it_unasked(
    server: MCPServer, era: Era
) -> None:
    async with Client(server, mode=era, sampling_callback=_as_the_model) as client:
        proposed = facts(await client.call_tool("propose_delta", {"parent": "plain-cnn"}))
    assert proposed["status"] == "needs_diff"


async def test_a_client_without_sampling_is_told_what_else_there_is(
    server: MCPServer, era: Era
) -> None:
    call = {"parent": "plain-cnn", "proposer": "sampling"}
    async with Client(server, mode=era) as client:
        told = refusal(await client.call_tool("propose_delta", call))
    assert "proposer: caller" in told


async def test_a_delta_that_does_not_apply_is_told_and_recorded(
    server: MCPServer, store: Store, era: Era
) -> None:
    stale = "@@\n-        kernel = 99\n+        kernel = 5\n"
    async with Client(server, mode=era) as client:
        result = await client.call_tool("apply_patch", {"parent": "plain-cnn", "delta": stale})
    assert "hunk 1 has the line '        kernel = 99'" in refusal(result)
    [entry] = store.candidates("mcp")
    assert isinstance(entry, RejectedEntry)
    assert (entry.stage, entry.code) == ("patch", "not-found")


async def test_a_dry_run_keeps_nothing(server: MCPServer, store: Store, era: Era) -> None:
    call = {"parent": "plain-cnn", "delta": DELTA, "dry_run": True}
    async with Client(server, mode=era) as client:
        applied = facts(await client.call_tool("apply_patch", call))
    assert applied["candidate"] is None
    assert store.runs() == ()


async def test_a_network_can_be_imported_as_a_baseline(
    server: MCPServer, store: Store, era: Era
) -> None:
    source = baselines()["wide-net"].source
    async with Client(server, mode=era) as client:
        call = {"name": "mine", "source": source, "hparams_json": '{"lr": 0.03}'}
        first = facts(await client.call_tool("import_baseline", call))
        again = facts(await client.call_tool("import_baseline", call))
    assert (first["is_new"], again["is_new"]) == (True, False)
    assert store.get(store.resolve("mine")).hparams["lr"] == 0.03


@pytest.mark.parametrize("end", ["", "# " + "x" * 100_000], ids=["short lines", "a long line"])
async def test_a_long_source_is_shown_in_parts(
    server: MCPServer, store: Store, era: Era, end: str
) -> None:
    whole = baselines()["wide-net"]
    source = whole.source + "".join(f"# line {number}\n" for number in range(9000)) + end
    store.import_baseline("long", whole.model_copy(update={"source": source}))
    parts: list[str] = []
    line: int | None = 1
    async with Client(server, mode=era) as client:
        while line is not None:
            call = {"architecture": "long", "from_line": line}
            found = facts(await client.call_tool("get_architecture", call))
            parts.append(found["source"])
            line = found["next_line"]
    assert len(parts) > 1
    assert "".join(parts) == source


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        pytest.param("get_architecture", {"architecture": "nosuch"}, "nosuch", id="unknown id"),
        pytest.param("get_architecture", {"architecture": "--help"}, "--help", id="an option"),
        pytest.param("novelty_check", {"candidate": "../x"}, "../x", id="a path"),
        pytest.param("train_one_epoch", {"candidate": "mcp/c01-009"}, "c01-009", id="no candidate"),
        pytest.param(
            "train_one_epoch",
            {"candidate": "plain-cnn", "dataset": "a b"},
            "dataset",
            id="no data set's name",
        ),
        pytest.param(
            "train_one_epoch", {"candidate": "plain-cnn", "device": "cuda"}, "has cpu", id="device"
        ),
        pytest.param("finetune_lora", {"run": "none"}, "no run 'none'", id="unknown run"),
        pytest.param(
            "run_search", {"run": "r", "baselines": ["x"]}, "plain-cnn", id="unknown baseline"
        ),
        pytest.param("run_search", {"run": "r", "proposer": "local"}, "--model", id="no model"),
        pytest.param(
            "propose_delta", {"parent": "plain-cnn", "proposer": "x"}, "mutation", id="who"
        ),
        pytest.param(
            "propose_delta", {"parent": "plain-cnn", "proposer": "local"}, "--model", id="no model"
        ),
        pytest.param("import_baseline", {"name": "x", "source": "1 +"}, "Python", id="no Python"),
        pytest.param(
            "import_baseline", {"name": "x", "source": "x = 1"}, "interface", id="no network"
        ),
        pytest.param("get_job", {"job_id": "nosuch"}, "nosuch", id="unknown job"),
        pytest.param("cancel_job", {"job_id": "../x"}, "job_id", id="no job's id"),
        pytest.param("list_architectures", {"limitt": 3}, "limitt", id="unknown argument"),
        pytest.param("list_architectures", {"limit": 1000}, "limit", id="out of range"),
    ],
)
async def test_bad_input_is_a_tool_error_that_names_it(
    server: MCPServer, store: Store, era: Era, tool: str, arguments: dict[str, Any], text: str
) -> None:
    async with Client(server, mode=era) as client:
        assert text in refusal(await client.call_tool(tool, arguments))
        assert facts(await client.call_tool("list_jobs", {}))["items"] == []
    assert store.runs() == ()
    assert len(store.baselines()) == 2


async def test_the_command_serves_on_stdio(store_path: Path, cache: Path) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "deltanas_mcp", "--store", str(store_path)],
        env={"DELTANAS_CACHE": str(cache)},
        cwd=ROOT,
    )
    async with Client(stdio_client(parameters)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS


def test_a_missing_store_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "deltanas_mcp", "--store", str(tmp_path / "nothing")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "deltanas init" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("is_there", [False, True], ids=["no folder", "an empty folder"])
def test_initialising_makes_the_store_first(tmp_path: Path, is_there: bool) -> None:
    if is_there:
        (tmp_path / "new").mkdir()
    result = subprocess.run(
        [sys.executable, "-m", "deltanas_mcp", "--store", str(tmp_path / "new"), "--init"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "new" / "HEAD").exists()


async def test_search_replace_blocks_are_taken_and_what_was_forgiven_is_told(
    server: MCPServer, era: Era
) -> None:
    answer = (
        "<hp>{'lr': 0.02, 'colour': 3}</hp>\n```\n<<<<<<< SEARCH\n"
        "      kernel = 3\n=======\n      kernel = 5\n>>>>>>> REPLACE\n```\n"
    )
    async with Client(server, mode=era) as client:
        applied = facts(
            await client.call_tool("apply_patch", {"parent": "plain-cnn", "delta": answer})
        )
    assert "-        kernel = 3\n+        kernel = 5\n" in applied["delta"]
    assert applied["format"] == "search/replace"
    assert applied["relaxations"] == [
        "<hp> tag",
        "hunk 1: leading space",
        "hunk 1: shifted in by 2",
    ]
    assert applied["hparams_json"] == '{"lr": 0.02}'
    assert len(applied["hparams_problems"]) == 1


async def test_a_refusal_names_all_the_places_that_a_hunk_fits(
    server: MCPServer, store: Store, era: Era
) -> None:
    store.import_baseline("wide-net", baselines()["wide-net"])
    delta = "@@ -1 +1 @@\n-        super().__init__()\n+        super().__init__()  # first\n"
    async with Client(server, mode=era) as client:
        result = await client.call_tool("apply_patch", {"parent": "wide-net", "delta": delta})
    assert "hunk 1 fits at lines" in refusal(result)
