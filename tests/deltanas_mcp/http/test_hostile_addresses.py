"""Whatever a client writes into the address of a resource, a prompt or a completion."""

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from mcp import Client, MCPError
from mcp.types import PromptReference, ResourceTemplateReference

from tests.deltanas_mcp.http.hostile import NAMES, UNKNOWN, unchanged

pytestmark = pytest.mark.anyio

VALID = {
    "id": "plain-cnn",
    "other": "shuffle-net",
    "dataset": "digits",
    "run": "mcp",
    "job_id": "A" * 24,
    "path": "net.py",
}
PLACE = re.compile(r"\{\+?(\w+)\}")
CRASH = re.compile("[Ii]nternal|^(refused: )?Error (reading|rendering|creating)|Traceback")
"""What the SDK says of an error that is none of ours."""


async def read(client: Client, address: str) -> str:
    """Return what reading an address comes to: the content or the refusal."""
    try:
        [content] = (await client.read_resource(address)).contents
    except MCPError as error:
        return f"refused: {error.error.message}"
    return str(content)


async def test_no_address_leads_elsewhere(store_path: Path) -> None:
    wrong: list[tuple[str, str, str]] = []
    async with unchanged(store_path) as client:
        templates = (await client.list_resource_templates()).resource_templates
        assert {place for each in templates for place in PLACE.findall(each.uri_template)} == set(
            VALID
        )
        for template in (each.uri_template for each in templates):
            for place in PLACE.findall(template):
                # A leaderboard of what is measured on nothing is empty.
                tried = NAMES if place == "dataset" else NAMES | UNKNOWN
                for what, value in tried.items():
                    written = quote(value.encode("utf-8", "surrogatepass"), safe="")
                    address = PLACE.sub(
                        lambda m, p=place, w=written: w if m[1] == p else VALID[m[1]],  # type: ignore[misc]
                        template,
                    )
                    answer = await read(client, address)
                    if not answer.startswith("refused: ") or CRASH.search(answer):
                        wrong.append((template, what, answer[:200]))
    assert wrong == []


NOWHERE = [
    "deltanas://architectures/plain-cnn/files/../../../etc/passwd",
    "deltanas://architectures/plain-cnn/files//etc/passwd",
    "deltanas://architectures/plain-cnn/files/net.py/../hparams.json",
    "deltanas://architectures/plain-cnn/files/%2e%2e/config",
    "deltanas://architectures/plain-cnn/files/",
    "deltanas://architectures//lineage",
    "deltanas://architectures/plain-cnn/diff/",
    "deltanas://user@index",
    "deltanas://index/..",
    "deltanas://index?x=y",
    "file:///etc/passwd",
    "http://127.0.0.1:1/",
    "deltanas:",
    "",
    "\x1b[2J",
    "deltanas://architectures/" + "a" * 100_000,
]


async def test_an_address_of_nothing_is_refused(store_path: Path) -> None:
    async with unchanged(store_path) as client:
        for address in NOWHERE:
            answer = await read(client, address)
            assert answer.startswith("refused: ")
            assert len(answer) < 200_000


async def test_a_prompt_takes_names_that_are_there_and_text_as_text(store_path: Path) -> None:
    wrong: list[tuple[str, str, str]] = []
    valid = {"architecture": "plain-cnn", "run": "mcp", "minutes": "3"}
    async with unchanged(store_path) as client:
        for prompt in (await client.list_prompts()).prompts:
            for argument in prompt.arguments or []:
                others = {
                    each.name: valid[each.name] for each in prompt.arguments or [] if each.required
                }
                for what, value in NAMES.items():
                    try:
                        await client.get_prompt(prompt.name, others | {argument.name: value})
                    except MCPError as error:
                        if CRASH.search(error.error.message):
                            wrong.append((argument.name, what, error.error.message))
                    else:
                        if argument.name != "goal":
                            wrong.append((argument.name, what, "taken"))
    assert wrong == []


async def test_a_completion_finds_nothing_for_what_is_no_name(store_path: Path) -> None:
    wrong: list[tuple[str, str, list[str]]] = []
    async with unchanged(store_path) as client:
        references: list[tuple[PromptReference | ResourceTemplateReference, list[str]]] = [
            (PromptReference(name=each.name), [one.name for one in each.arguments or []])
            for each in (await client.list_prompts()).prompts
        ]
        references += [
            (ResourceTemplateReference(uri=each.uri_template), PLACE.findall(each.uri_template))
            for each in (await client.list_resource_templates()).resource_templates
        ]
        for reference, names in references:
            for name in names:
                for what, value in NAMES.items():
                    found = await client.complete(reference, {"name": name, "value": value})
                    if found.completion.values:
                        wrong.append((name, what, found.completion.values))
    assert wrong == []
