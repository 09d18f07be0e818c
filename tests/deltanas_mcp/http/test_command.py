"""The command ``deltanas-mcp``: what it says no to, how it ends, and what it puts on stdout."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from deltanas_mcp.serve import main
from tests.deltanas_mcp.calls import facts
from tests.deltanas_mcp.http.serving import (
    ALICE,
    LEGACY,
    begin_session,
    connected,
    in_session,
    post,
    request,
)
from tests.processes_for_tests import descendants

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "deltanas_mcp"]
LISTENING = re.compile(r"running on (http://\S+)")


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command with nothing on stdin."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@contextmanager
def started(
    *arguments: str | Path, **environment: str
) -> Generator[tuple[str, subprocess.Popen[str]]]:
    """Run the command for HTTP on a free port; give its address and the process."""
    process = subprocess.Popen(
        [*COMMAND, "--http", "--port", "0", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = ""
        while not (found := LISTENING.search(said)):
            line = process.stderr.readline()
            assert line, said
            said += line
        yield found[1], process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.touch(mode=0o600)
    path.write_text(f"{ALICE} alice\n")
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--http"], "--token-file", id="no token"),
        pytest.param(["--http", "--token-file", "none"], "No such file", id="no file"),
        pytest.param(["--http", "--oauth", "none"], "No such file", id="no settings"),
        pytest.param(
            ["--http", "--insecure-localhost", "--host", "0.0.0.0", "--allow-host", "x"],
            "leave out one of them",
            id="open to all",
        ),
        pytest.param(
            ["--http", "--insecure-localhost", "--token-file", "TOKENS"], "found 2", id="both"
        ),
        pytest.param(
            ["--http", "--host", "0.0.0.0", "--token-file", "TOKENS"], "--allow-host", id="no name"
        ),
        pytest.param(
            ["--http", "--allow-host", "http://x", "--token-file", "TOKENS"], "no port", id="URL"
        ),
        pytest.param(
            ["--http", "--allow-origin", "*", "--token-file", "TOKENS"], "no origin", id="any page"
        ),
        pytest.param(
            ["--http", "--port", "70000", "--token-file", "TOKENS"], "port: ", id="no port"
        ),
        pytest.param(["--device", "gpu"], "expected cpu, cuda or cuda:0", id="device"),
        pytest.param(["--model", "none"], "none", id="no model"),
    ],
)
def test_what_cannot_be_served_is_one_sentence_and_exit_code_1(
    store_path: Path,
    token_file: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    given = [str(token_file) if each == "TOKENS" else each for each in arguments]
    with pytest.raises(SystemExit) as ended:
        main(["--store", str(store_path), *given])
    said, complained = capsys.readouterr()
    assert (ended.value.code, said) == (1, "")
    assert words in complained
    assert len(complained.splitlines()) == 1


def test_a_token_file_that_others_can_read_is_refused(
    store_path: Path, token_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    token_file.chmod(0o644)
    with pytest.raises(SystemExit, match="1"):
        main(["--store", str(store_path), "--http", "--token-file", str(token_file)])
    assert f"chmod 600 {token_file}" in capsys.readouterr().err


def test_an_option_for_http_without_http_is_a_mistake(
    store_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--store", str(store_path), "--port", "9000"])
    assert "--port goes with --http" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_told_to_end_even_while_somebody_listens(
    store_path: Path, token_file: Path, ending: signal.Signals
) -> None:
    with started("--store", store_path, "--token-file", token_file) as (url, process):
        async with connected(url, ALICE) as client:
            assert facts(await client.call_tool("list_architectures", {}))["total"] == 2
        answer = httpx2.get(f"{url}/health")
        assert (answer.json(), answer.headers.get("Server")) == ({"status": "ok"}, None)
        headers = in_session(begin_session(url, ALICE), ALICE)
        with httpx2.stream("GET", f"{url}/mcp", headers=headers, timeout=30) as listening:
            assert listening.status_code == 200
            process.send_signal(ending)
            assert process.wait(30) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""
        assert process.stderr is not None
        said = process.stderr.read()
    assert "Traceback" not in said
    assert ALICE not in said


async def test_jobs_do_not_get_the_token(store_path: Path, busy_device: None) -> None:
    with started("--store", store_path, DELTANAS_HTTP_TOKEN=ALICE) as (url, process):
        async with connected(url, ALICE) as client:
            call = {"candidate": "plain-cnn", "wait_s": 1}
            job = facts(await client.call_tool("train_one_epoch", call))["job_id"]
            workers = descendants(process.pid)
            assert workers
            for worker in workers:
                environment = Path(f"/proc/{worker}/environ").read_bytes()
                assert ALICE.encode() not in environment
            await client.call_tool("cancel_job", {"job_id": job})


def test_a_port_that_is_taken_is_told(store_path: Path, token_file: Path) -> None:
    with started("--store", store_path, "--token-file", token_file) as (url, _):
        port = url.rpartition(":")[2]
        result = run("--store", store_path, "--http", "--port", port, "--token-file", token_file)
    assert result.returncode != 0
    assert "address already in use" in result.stderr


def test_stdout_has_the_protocol_and_nothing_else(store_path: Path) -> None:
    ask = {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    sent: list[dict[str, Any] | str] = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": ask},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        "this is no message",
        "[" * 100_000,
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_jobs"}},
        {
            "jsonrpc": "2.0",
            "id": 3,
            "method": "tools/call",
            "params": {"name": "get_architecture", "arguments": {"architecture": "nosuch"}},
        },
        {
            "jsonrpc": "2.0",
            "id": 4,
            "method": "tools/call",
            "params": {"name": "get_architecture", "arguments": {"architecture": "plain-cnn"}},
        },
    ]
    lines = [each if isinstance(each, str) else json.dumps(each) for each in sent]
    process = subprocess.Popen(
        [*COMMAND, "--store", str(store_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("".join(f"{line}\n" for line in lines))
    process.stdin.flush()
    answered: dict[Any, Any] = {}
    while not {1, 2, 3, 4} <= answered.keys():
        message = json.loads(process.stdout.readline())
        assert message["jsonrpc"] == "2.0"
        answered[message.get("id")] = message
    rest, said = process.communicate()
    assert (rest, process.returncode) == ("", 0)
    assert answered[3]["result"]["isError"]
    assert "class Net" in str(answered[4]["result"])
    assert "Traceback" not in said


def test_without_a_token_in_the_environment_nobody_gets_in_with_an_empty_one(
    store_path: Path,
) -> None:
    result = run("--store", store_path, "--http", DELTANAS_HTTP_TOKEN="")
    assert result.returncode == 1
    with started("--store", store_path, DELTANAS_HTTP_TOKEN=ALICE) as (url, _):
        assert post(url, request("tools/list"), ALICE[1:]).status_code == 401
        assert post(url, request("tools/list"), ALICE).status_code == 200
