"""Resources of the MCP server, read by the SDK's own client in both protocol eras."""

import json
import re
from collections.abc import Generator
from pathlib import Path
from typing import Any, get_args

import pytest
from mcp import Client, MCPError
from mcp.server import MCPServer
from mcp.types import INVALID_PARAMS, TextResourceContents

from deltanas_mcp.jobs import Jobs
from deltanas_mcp.jobs.table import JobTable
from deltanas_mcp.server import ServerSettings, build_server
from deltanas_mcp.server.resources import store_views
from deltanas_mcp.server.texts import text
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.records import Architecture, ArchitectureId
from deltanas_repo_store.store import Store
from deltanas_tools.apply_patch import Applied, Code, apply
from tests.deltanas_mcp.calls import Era
from tests.records_for_tests import evaluation, kept, pending, rejected

pytestmark = pytest.mark.anyio
GUIDE = text("delta-format")
ESCAPE = "\x1b[2J"


@pytest.fixture
def store(store_path: Path) -> Generator[Store]:
    with open_store(store_path) as opened:
        yield opened


@pytest.fixture
def child(store: Store) -> ArchitectureId:
    """A kept candidate of the run ``night``, made from plain-cnn."""
    store.begin_run("night", {"kind": "search", "config": {"seed": 3, "model": {"key": "secret"}}})
    parent = store.resolve("plain-cnn")
    source = store.get(parent).source.replace("kernel = 3", "kernel = 5")
    made = Architecture(source=source, hparams=store.get(parent).hparams)
    begun = pending(parent)
    store.reserve(begun)
    return store.finish(kept(begun, architecture=made))


async def read(client: Client, uri: str) -> str:
    """The text of a resource."""
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    return content.text


async def read_json(client: Client, uri: str) -> dict[str, Any]:
    """What a resource in JSON says."""
    [content] = (await client.read_resource(uri)).contents
    assert isinstance(content, TextResourceContents)
    assert content.mime_type == "application/json"
    return dict(json.loads(content.text))


async def test_every_resource_and_template_says_what_it_is(server: MCPServer, era: Era) -> None:
    async with Client(server, mode=era) as client:
        resources = (await client.list_resources()).resources
        templates = (await client.list_resource_templates()).resource_templates
    assert [str(each.uri) for each in resources] == ["deltanas://delta-format", "deltanas://index"]
    assert {each.uri_template for each in templates} == {
        "deltanas://architectures/{id}",
        "deltanas://architectures/{id}/files/{+path}",
        "deltanas://architectures/{id}/diff/{other}",
        "deltanas://architectures/{id}/lineage",
        "deltanas://leaderboard/{dataset}",
        "deltanas://runs/{run}",
        "deltanas://jobs/{job_id}",
        "deltanas://jobs/{job_id}/log",
    }
    listed = [*resources, *templates]
    assert all(each.title for each in listed)
    assert all(each.description and each.mime_type for each in resources)
    assert all(each.description and each.mime_type for each in templates)


async def test_the_index_names_everything_that_there_is(
    server: MCPServer, store: Store, child: ArchitectureId, era: Era
) -> None:
    store.begin_run("mcp", {"kind": "submissions"})
    store.reserve(pending(store.resolve("plain-cnn"), run="mcp"))
    async with Client(server, mode=era) as client:
        found = await read_json(client, "deltanas://index")
    assert [each["name"] for each in found["architectures"]] == [
        "night/c01-001",
        "plain-cnn",
        "shuffle-net",
    ]
    assert found["architectures"][0]["id"] == child
    assert found["pending"] == ["mcp/c01-001"]
    assert found["runs"] == ["mcp", "night"]
    assert found["datasets"] == ["digits"]
    assert found["rest"] == ""


def test_a_long_index_says_where_the_rest_is(store: Store) -> None:
    few = store.get(store.resolve("plain-cnn"))
    for number in range(store_views.MAX_ITEMS):
        named = Architecture(source=f"{few.source}# {number}\n", hparams=few.hparams)
        store.import_baseline(f"net-{number}", named)
    found = store_views.index(store)
    assert len(found.architectures) == store_views.MAX_ITEMS
    assert found.rest == "2 more architectures: list_architectures has all"


async def test_an_architecture_is_found_by_its_id_and_by_its_name_in_a_uri(
    server: MCPServer, child: ArchitectureId, era: Era
) -> None:
    async with Client(server, mode=era) as client:
        by_name = await read_json(client, "deltanas://architectures/night%2Fc01-001")
        by_id = await read_json(client, f"deltanas://architectures/{child}")
        by_prefix = await read_json(client, f"deltanas://architectures/{child[:10]}")
        parent = await read_json(client, f"deltanas://architectures/{by_name['parent_id']}")
    assert by_name == by_id == by_prefix
    assert (by_name["status"], parent["status"]) == ("kept", "baseline")
    assert parent["name"] == "plain-cnn"
    assert by_name["evaluations"][0]["accuracy"] == 0.9
    assert "kernel = 5" in by_name["description"]


async def test_a_rejected_candidate_says_why(server: MCPServer, store: Store, era: Era) -> None:
    begun = pending(store.resolve("plain-cnn"))
    store.reserve(begun)
    store.finish(rejected(begun, message="line 3 stands nowhere"))
    async with Client(server, mode=era) as client:
        found = await read_json(client, "deltanas://architectures/night%2Fc01-001")
    assert found["status"] == "rejected"
    assert "line 3 stands nowhere" in found["description"]


async def test_files_come_to_the_letter(server: MCPServer, store: Store, era: Era) -> None:
    own = store.get(store.resolve("shuffle-net"))
    odd = Architecture(source=f"{own.source}# a\r\n# {ESCAPE} no end", hparams=own.hparams)
    store.import_baseline("odd", odd)
    async with Client(server, mode=era) as client:
        assert await read(client, "deltanas://architectures/odd/files/net.py") == odd.source
        hparams = await read(client, "deltanas://architectures/odd/files/hparams.json")
    assert hparams == odd.hparams_text()


async def test_the_difference_is_the_delta_between_two(
    server: MCPServer, child: ArchitectureId, era: Era
) -> None:
    async with Client(server, mode=era) as client:
        delta = await read(client, f"deltanas://architectures/plain-cnn/diff/{child}")
        nothing = await read(client, f"deltanas://architectures/{child}/diff/{child}")
    assert re.findall(r"^[-+] .*", delta, re.MULTILINE) == [
        "-        kernel = 3",
        "+        kernel = 5",
    ]
    assert nothing == ""


async def test_a_long_difference_is_cut_at_a_line_and_says_how_to_get_the_rest(
    server: MCPServer, store: Store, era: Era
) -> None:
    own = store.get(store.resolve("plain-cnn"))
    lines = "".join(f"# {number:0100}\n" for number in range(2000))
    long = Architecture(source=own.source + lines, hparams=own.hparams)
    store.import_baseline("long", long)
    async with Client(server, mode=era) as client:
        delta = await read(client, "deltanas://architectures/plain-cnn/diff/long")
    *shown, note = delta.splitlines()
    assert len(delta) < 61_000
    assert re.fullmatch(r"\+# \d{100}", shown[-1])
    assert re.fullmatch(r"\[cut here, \d+ characters before the end: read both .*\]", note)


async def test_a_source_of_very_many_lines_is_not_compared(
    server: MCPServer, store: Store, era: Era
) -> None:
    many = Architecture(source="a\n" * 100_000, hparams={})
    store.import_baseline("many", many)
    async with Client(server, mode=era) as client:
        with pytest.raises(MCPError, match="100000 lines is too long"):
            await client.read_resource("deltanas://architectures/plain-cnn/diff/many")


async def test_the_lineage_goes_from_the_baseline_to_what_was_made_of_it(
    server: MCPServer, store: Store, child: ArchitectureId, era: Era
) -> None:
    below = pending(child, index=2)
    store.reserve(below)
    store.finish(rejected(below))
    async with Client(server, mode=era) as client:
        found = await read_json(client, f"deltanas://architectures/{child}/lineage")
    assert [(each["depth"], each["name"]) for each in found["ancestors"]] == [
        (-1, "plain-cnn"),
        (0, "night/c01-001"),
    ]
    assert found["ancestors"][1]["gain"] == pytest.approx(0.05)
    assert [(each["depth"], each["rejection"]) for each in found["descendants"]] == [
        (1, "patch: not-found")
    ]


async def test_the_leaderboard_has_the_best_first_and_the_search_split_alone(
    server: MCPServer, store: Store, child: ArchitectureId, era: Era
) -> None:
    baseline = store.resolve("shuffle-net")
    store.add_evaluation(baseline, evaluation(0.95))
    seen_once = evaluation(0.99).model_copy(update={"split": "test"})
    store.add_evaluation(baseline, seen_once)
    async with Client(server, mode=era) as client:
        found = await read_json(client, "deltanas://leaderboard/digits")
        with pytest.raises(MCPError, match=r"nothing is measured on 'mnist'.* digits"):
            await client.read_resource("deltanas://leaderboard/mnist")
    assert [(each["name"], each["accuracy"]) for each in found["standings"]] == [
        ("shuffle-net", 0.95),
        ("night/c01-001", 0.9),
    ]


async def test_a_run_says_how_it_stands_and_keeps_its_model_to_itself(
    server: MCPServer, store: Store, child: ArchitectureId, era: Era
) -> None:
    store.reserve(pending(child, index=2))
    async with Client(server, mode=era) as client:
        found = await read_json(client, "deltanas://runs/night")
        with pytest.raises(MCPError, match="no run 'nosuch'; it has night"):
            await client.read_resource("deltanas://runs/nosuch")
    assert (found["kind"], found["pending"], found["spent"]["kept"]) == ("search", 1, 1)
    assert found["rates"]["first"]["trained"] == 1
    assert found["settings"]["seed"] == 3
    assert [each["name"] for each in found["best"]] == ["night/c01-001"]
    assert [each["id"] for each in found["newest"]] == [child]
    assert "secret" not in json.dumps(found)


async def test_a_job_is_shown_to_its_owner_alone(
    server: MCPServer, queued_jobs: Jobs, era: Era
) -> None:
    mine = queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="local")
    other = queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="somebody")
    async with Client(server, mode=era) as client:
        found = await read_json(client, f"deltanas://jobs/{mine.id}")
        with pytest.raises(MCPError) as hidden:
            await client.read_resource(f"deltanas://jobs/{other.id}")
        with pytest.raises(MCPError) as unknown:
            await client.read_resource("deltanas://jobs/x")
        with pytest.raises(MCPError):
            await client.read_resource(f"deltanas://jobs/{other.id}/log")
    assert (found["job_id"], found["state"]) == (mine.id, "queued")
    assert hidden.value.message == unknown.value.message.replace("'x'", f"'{other.id}'")


async def test_the_log_of_a_job_is_safe_to_print(
    server: MCPServer, queued_jobs: Jobs, store_path: Path, era: Era
) -> None:
    job = queued_jobs.submit("train", {"candidate": "plain-cnn"}, owner="local")
    lines = "".join(f"line {number}\n" for number in range(1000))
    JobTable(store_path).log(job.id).write_text(f"{lines}{ESCAPE}end\n", encoding="utf-8")
    async with Client(server, mode=era) as client:
        log = await read(client, f"deltanas://jobs/{job.id}/log")
    assert log.endswith("line 999\n\N{REPLACEMENT CHARACTER}[2Jend")
    assert "line 1\n" not in log


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("deltanas://architectures/nosuch", id="unknown name"),
        pytest.param("deltanas://architectures/--help", id="an option"),
        pytest.param("deltanas://architectures/..%2F..%2Fetc", id="a path"),
        pytest.param("deltanas://architectures/%2Fetc%2Fpasswd", id="an absolute path"),
        pytest.param("deltanas://architectures/HEAD", id="a ref of another kind"),
        pytest.param("deltanas://architectures/refs%2Fruns%2Fnight", id="a ref of a run"),
        pytest.param("deltanas://architectures/plain-cnn%00", id="a null byte"),
        pytest.param(f"deltanas://architectures/{'a' * 5000}", id="very long"),
        pytest.param("deltanas://architectures/plain-cnn/files/../../config", id="out of a folder"),
        pytest.param("deltanas://architectures/plain-cnn/files/.git/config", id="git's files"),
        pytest.param("deltanas://architectures/plain-cnn/diff/-n", id="an option to diff"),
        pytest.param("deltanas://leaderboard/..%2F..", id="a path for a data set"),
        pytest.param("deltanas://runs/night%0Aid", id="a line break in a run"),
        pytest.param("deltanas://jobs/..%2Fx/log", id="a path for a job"),
        pytest.param("deltanas://nonsense", id="no such resource"),
        pytest.param("file:///etc/passwd", id="a file"),
    ],
)
async def test_what_is_not_there_is_not_found(
    server: MCPServer, child: ArchitectureId, uri: str, era: Era
) -> None:
    async with Client(server, mode=era) as client:
        with pytest.raises(MCPError) as refused:
            await client.read_resource(uri)
    assert refused.value.code == INVALID_PARAMS
    assert len(refused.value.message) < 300 or "Unknown resource" in refused.value.message


async def test_a_pending_candidate_is_no_architecture_yet(
    server: MCPServer, store: Store, era: Era
) -> None:
    store.reserve(pending(store.resolve("plain-cnn")))
    async with Client(server, mode=era) as client:
        with pytest.raises(MCPError, match="pending candidate: train_one_epoch"):
            await client.read_resource("deltanas://architectures/night%2Fc01-001")


async def test_without_a_store_the_guide_is_there_and_the_rest_says_what_to_do(
    tmp_path: Path, era: Era
) -> None:
    server = build_server(ServerSettings(store=tmp_path / "nothing"))
    async with Client(server, mode=era) as client:
        assert await read(client, "deltanas://delta-format") == GUIDE
        with pytest.raises(MCPError, match="deltanas init"):
            await client.read_resource("deltanas://index")


class TestTheGuide:
    """What it says is what apply_patch does."""

    parent, diff, blocks = re.findall(r"^```\w*\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)

    def source(self) -> str:
        head = "from torch import nn\n\n\nclass Net(nn.Module):\n"
        return f"{head}    def __init__(self, channels, classes):\n{self.parent}"

    def test_its_diff_makes_of_its_parent_what_it_says(self) -> None:
        applied = apply(self.source(), self.diff)
        assert isinstance(applied, Applied)
        assert applied.text == self.source().replace("16", "32")

    def test_its_blocks_replace_what_they_say(self) -> None:
        applied = apply(self.source(), self.blocks)
        assert isinstance(applied, Applied)
        assert applied.format == "search/replace"
        assert "nn.GroupNorm(4, 16)" in applied.text

    def test_a_bare_mark_and_no_names_of_files_do_as_it_says(self) -> None:
        hunk = self.diff.split("@@")[2]
        applied = apply(self.source(), f"@@{hunk}")
        assert isinstance(applied, Applied)
        assert applied.text == self.source().replace("16", "32")

    def test_it_names_every_code_of_a_refusal(self) -> None:
        for code in get_args(Code):
            assert f"`{code}`" in GUIDE
