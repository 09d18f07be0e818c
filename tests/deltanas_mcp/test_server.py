"""The MCP server, driven by the SDK's own client in both protocol eras."""

import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

from deltanas_mcp.server import build_server
from deltanas_mcp.wiring import Workbench
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.entries import KeptEntry, RejectedEntry

pytestmark = pytest.mark.anyio
TOOLS = {
    "list_architectures",
    "get_architecture",
    "propose_delta",
    "apply_patch",
    "novelty_check",
    "train_one_epoch",
    "finetune_lora",
}
Era = Literal["auto", "legacy"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["auto", "legacy"])
def era(request: pytest.FixtureRequest) -> Era:
    return "auto" if request.param == "auto" else "legacy"


def facts(result: CallToolResult) -> dict[str, Any]:
    """The structured content of a call that succeeded."""
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


def refusal(result: CallToolResult) -> str:
    """The text of a call that failed."""
    assert result.is_error
    [content] = result.content
    assert isinstance(content, TextContent)
    return content.text


async def test_the_seven_tools_are_there_with_all_hints(bench: Workbench, era: Era) -> None:
    async with Client(build_server(bench), mode=era) as client:
        listed = (await client.list_tools()).tools
    assert {tool.name for tool in listed} == TOOLS
    for tool in listed:
        assert tool.annotations is not None
        hints = tool.annotations.model_dump(exclude={"title"})
        assert None not in hints.values()
        assert tool.input_schema["type"] == "object"


async def test_an_assistant_can_work_from_the_list_to_a_commit(bench: Workbench, era: Era) -> None:
    async with Client(build_server(bench), mode=era) as client:
        listed = facts(await client.call_tool("list_architectures", {}))
        assert {each["name"] for each in listed["items"]} == {"plain-cnn", "shuffle-net"}
        parent = facts(await client.call_tool("get_architecture", {"architecture": "plain-cnn"}))
        assert "class Net" in parent["source"]
        candidate = await _novel_candidate(client)
        trained = facts(await client.call_tool("train_one_epoch", {"candidate": candidate}))
    assert trained["status"] == "kept"
    assert trained["accuracy"] > 0.2
    [entry] = bench.store.candidates("mcp")
    assert isinstance(entry, KeptEntry)
    assert (entry.id, entry.parent) == (trained["id"], parent["id"])


async def _novel_candidate(client: Client) -> str:
    """Propose until a delta is novel, as an assistant would."""
    for seed in range(20):
        proposal = facts(
            await client.call_tool("propose_delta", {"parent": "plain-cnn", "seed": seed})
        )
        applied = facts(
            await client.call_tool(
                "apply_patch", {"parent": "plain-cnn", "delta": proposal["delta"]}
            )
        )
        report = facts(await client.call_tool("novelty_check", {"candidate": applied["candidate"]}))
        if report["is_novel"]:
            return str(applied["candidate"])
    raise AssertionError("no novel delta in twenty")


async def test_the_same_seed_proposes_the_same_delta(bench: Workbench, era: Era) -> None:
    async with Client(build_server(bench), mode=era) as client:
        call = {"parent": "plain-cnn", "seed": 3}
        first, second = [facts(await client.call_tool("propose_delta", call)) for _ in range(2)]
    assert first == second


async def test_training_an_architecture_measures_it(bench: Workbench, era: Era) -> None:
    async with Client(build_server(bench), mode=era) as client:
        answer = facts(await client.call_tool("train_one_epoch", {"candidate": "plain-cnn"}))
        listed = facts(await client.call_tool("list_architectures", {"dataset": "digits"}))
    assert answer["status"] == "measured"
    assert [each["accuracy"] for each in listed["items"]] == [answer["accuracy"]]


async def test_a_delta_that_does_not_apply_is_told_and_recorded(bench: Workbench, era: Era) -> None:
    stale = "@@\n-        kernel = 99\n+        kernel = 5\n"
    async with Client(build_server(bench), mode=era) as client:
        result = await client.call_tool("apply_patch", {"parent": "plain-cnn", "delta": stale})
    assert "hunk 1 has the line '        kernel = 99'" in refusal(result)
    [entry] = bench.store.candidates("mcp")
    assert isinstance(entry, RejectedEntry)
    assert (entry.stage, entry.code) == ("patch", "not-found")


async def test_a_dry_run_keeps_nothing(bench: Workbench, era: Era) -> None:
    async with Client(build_server(bench), mode=era) as client:
        delta = facts(await client.call_tool("propose_delta", {"parent": "plain-cnn"}))["delta"]
        call = {"parent": "plain-cnn", "delta": delta, "dry_run": True}
        applied = facts(await client.call_tool("apply_patch", call))
    assert applied["candidate"] is None
    assert bench.store.runs() == ()


async def test_a_candidate_that_computes_the_same_is_rejected_with_the_reason(
    bench: Workbench, era: Era
) -> None:
    first = bench.store.get(bench.store.resolve("plain-cnn")).source.split("\n")[0]
    delta = f"@@\n-{first}\n+{first}\n+\n+UNUSED = 1\n"
    async with Client(build_server(bench), mode=era) as client:
        call = {"parent": "plain-cnn", "delta": delta, "summary": "Add dead code"}
        applied = facts(await client.call_tool("apply_patch", call))
        answer = facts(
            await client.call_tool("train_one_epoch", {"candidate": applied["candidate"]})
        )
    assert (answer["status"], answer["stage"], answer["code"]) == (
        "rejected",
        "effective",
        "ineffective",
    )


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        pytest.param("get_architecture", {"architecture": "nosuch"}, "nosuch", id="unknown id"),
        pytest.param("get_architecture", {"architecture": "--help"}, "--help", id="an option"),
        pytest.param("novelty_check", {"candidate": "../x"}, "../x", id="a path"),
        pytest.param(
            "train_one_epoch", {"candidate": "plain-cnn", "dataset": "x"}, "digits", id="data"
        ),
        pytest.param("finetune_lora", {}, "a person can run", id="takes long"),
        pytest.param(
            "propose_delta", {"parent": "plain-cnn", "proposer": "x"}, "mutation", id="who"
        ),
        pytest.param("list_architectures", {"limitt": 3}, "limitt", id="unknown argument"),
        pytest.param("list_architectures", {"limit": 1000}, "limit", id="out of range"),
    ],
)
async def test_bad_input_is_a_tool_error_that_names_it(
    bench: Workbench, era: Era, tool: str, arguments: dict[str, Any], text: str
) -> None:
    async with Client(build_server(bench), mode=era) as client:
        assert text in refusal(await client.call_tool(tool, arguments))
    assert bench.store.runs() == ()


async def test_finetuning_says_which_command_does_it(bench: Workbench, era: Era) -> None:
    async with Client(build_server(bench), mode=era) as client:
        assert "deltanas finetune" in refusal(await client.call_tool("finetune_lora", {}))


async def test_the_command_serves_on_stdio(store_path: Path, cache: Path) -> None:
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "deltanas_mcp", "--store", str(store_path)],
        env={"DELTANAS_CACHE": str(cache)},
        cwd=Path(__file__).parents[2],
    )
    async with Client(stdio_client(parameters)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        answer = facts(await client.call_tool("train_one_epoch", {"candidate": "shuffle-net"}))
    assert answer["accuracy"] > 0.2


def test_a_missing_store_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "deltanas_mcp", "--store", str(tmp_path / "nothing")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "deltanas init" in result.stderr.splitlines()[-1]


def test_initialising_makes_the_store_first(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "deltanas_mcp", "--store", str(tmp_path / "new"), "--init"],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "new" / "HEAD").exists()


async def test_search_replace_blocks_are_taken_and_what_was_forgiven_is_told(
    bench: Workbench, era: Era
) -> None:
    answer = (
        "<hp>{'lr': 0.02, 'colour': 3}</hp>\n```\n<<<<<<< SEARCH\n"
        "      kernel = 3\n=======\n      kernel = 5\n>>>>>>> REPLACE\n```\n"
    )
    async with Client(build_server(bench), mode=era) as client:
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


async def test_a_refusal_names_all_the_places_that_a_hunk_fits(bench: Workbench, era: Era) -> None:
    bench.store.import_baseline("wide-net", baselines()["wide-net"])
    delta = "@@ -1 +1 @@\n-        super().__init__()\n+        super().__init__()  # first\n"
    async with Client(build_server(bench), mode=era) as client:
        result = await client.call_tool("apply_patch", {"parent": "wide-net", "delta": delta})
    assert "hunk 1 fits at lines" in refusal(result)
