"""Whatever a client writes into an argument: words that refuse it, and a store as it was.

The arguments are those that the server lists, so that one which is added tomorrow is tried, too.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult

from deltanas_repo_store.baselines import baselines
from tests.deltanas_mcp.calls import facts, refusal
from tests.deltanas_mcp.http.hostile import (
    DELTA,
    NAMES,
    NUMBERS,
    OTHERS,
    UNKNOWN,
    refs,
    unchanged,
)

pytestmark = pytest.mark.anyio

VALID: dict[str, dict[str, Any]] = {
    "list_architectures": {},
    "get_architecture": {"architecture": "plain-cnn"},
    "import_baseline": {"name": "wide", "source": baselines()["wide-net"].source},
    "propose_delta": {"parent": "plain-cnn", "proposer": "caller"},
    "apply_patch": {"parent": "plain-cnn", "delta": DELTA, "dry_run": True},
    "novelty_check": {"candidate": "plain-cnn"},
    "train_one_epoch": {"candidate": "plain-cnn"},
    "run_search": {"run": "r", "baselines": ["plain-cnn"]},
    "finetune_lora": {"run": "r"},
    "get_job": {"job_id": "A" * 24},
    "list_jobs": {},
    "cancel_job": {"job_id": "A" * 24},
}
"""What else a call needs, so that one argument alone is at fault."""

TEXTS = {"delta", "goal", "hparams_json", "idempotency_key", "query", "source", "summary"}
"""Arguments that hold any text. All others name something."""

NEW = {("import_baseline", "name"), ("run_search", "run")}
"""Arguments that may name what is not there."""

NOT_LOOKED_UP = {
    ("list_architectures", "dataset"),
}
"""A list of what is measured on nothing is empty."""

LARGE = (10**40, 1e308, "Infinity")
OPEN = {"from_line", "max_minutes", "max_seconds", "offset"}
"""Numbers that may be as large as one likes."""


async def arguments(client: Client, tool: str) -> dict[str, str]:
    """Return the arguments of a tool, and what each takes besides null."""
    [found] = [each for each in (await client.list_tools()).tools if each.name == tool]
    return {
        name: next(each["type"] for each in schema.get("anyOf", [schema]) if each["type"] != "null")
        for name, schema in found.input_schema["properties"].items()
    }


def tries(tool: str, name: str, kind: str) -> Iterator[tuple[str, Any, bool]]:
    """Go through what is tried as an argument, and whether it must be refused."""
    if kind in ("integer", "number"):
        for what, value in NUMBERS.items():
            if name not in OPEN or value not in LARGE:
                yield what, value, True
    elif name != "idempotency_key":
        is_text = name in TEXTS
        # "0" is a name, and a way to say no.
        may_be_new = kind == "boolean" or (tool, name) in NEW | NOT_LOOKED_UP
        for what, value in (NAMES if is_text or may_be_new else NAMES | UNKNOWN).items():
            yield what, [value] if kind == "array" else value, not is_text
        for what, value in OTHERS.items():
            yield what, value, not is_text


def is_clear(result: CallToolResult) -> bool:
    """Say whether a refusal says more than that something went wrong in the server."""
    head, _, words = refusal(result).partition(": ")
    return bool(words) and head.startswith("Error executing tool") and "Traceback" not in words


def test_every_tool_is_tried() -> None:
    folder = Path(__file__).parents[1] / "surface"
    names = {path.stem.removeprefix("tool-") for path in folder.glob("tool-*.json")}
    assert names == VALID.keys()


@pytest.mark.parametrize("tool", VALID)
async def test_whatever_is_written_into_an_argument_is_refused_in_words_or_is_just_text(
    store_path: Path, tool: str
) -> None:
    wrong: list[tuple[str, str, str]] = []
    async with unchanged(store_path) as client:
        for name, kind in (await arguments(client, tool)).items():
            for what, value, must_refuse in tries(tool, name, kind):
                result = await client.call_tool(tool, VALID[tool] | {name: value})
                if must_refuse and not result.is_error:
                    wrong.append((name, what, "taken"))
                elif result.is_error and not is_clear(result):
                    wrong.append((name, what, refusal(result)[:200]))
    assert wrong == []


@pytest.mark.parametrize(
    ("tool", "argument"),
    [
        ("get_architecture", "architecture"),
        ("novelty_check", "candidate"),
        ("propose_delta", "parent"),
        ("apply_patch", "parent"),
        ("train_one_epoch", "candidate"),
    ],
)
async def test_ids_of_what_is_no_architecture_are_refused(
    store_path: Path, tool: str, argument: str
) -> None:
    async with unchanged(store_path) as client:
        for ref, object_id in refs(store_path).items():
            if not ref.startswith(("refs/heads/", "refs/rejected/")):
                result = await client.call_tool(tool, VALID[tool] | {argument: object_id})
                assert object_id in refusal(result)


async def test_arguments_that_a_tool_does_not_have_are_refused_by_name(store_path: Path) -> None:
    async with unchanged(store_path) as client:
        for tool, valid in VALID.items():
            for name in ("__class__", "ctx", "self", "sampled", "store", "-x", "a" * 1000, "\0"):
                words = refusal(await client.call_tool(tool, valid | {name: "x"}))
                assert words.startswith(f"{tool} has no argument ")


async def test_no_answer_to_a_large_argument_is_large(store_path: Path) -> None:
    async with unchanged(store_path) as client:
        for tool, valid in VALID.items():
            for name, kind in (await arguments(client, tool)).items():
                if kind == "string":
                    result = await client.call_tool(tool, valid | {name: "\u20ac" * 1_000_000})
                    assert len(json.dumps(refusal(result))) < 4000


async def test_a_key_is_any_text_and_no_more(store_path: Path, busy_device: None) -> None:
    async with unchanged(store_path, with_jobs=True) as client:
        for key in ("--help", "../x", "a\0b", "\x1b[2J", "'; DROP TABLE job; --"):
            call = {"candidate": "plain-cnn", "idempotency_key": key, "wait_s": 0}
            answers = [facts(await client.call_tool("train_one_epoch", call)) for _ in range(2)]
            assert answers[0]["job_id"] == answers[1]["job_id"]
        for job in facts(await client.call_tool("list_jobs", {}))["items"]:
            await client.call_tool("cancel_job", {"job_id": job["job_id"]})
