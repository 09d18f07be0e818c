"""Jobs, as a person types about them."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from deltanas_mcp.cli import app
from deltanas_mcp.jobs import Jobs
from deltanas_mcp.jobs.locks import DeviceLock
from deltanas_mcp.jobs.table import JobTable
from tests.deltanas_mcp.jobs.conftest import begun, ended, training

ROOT = Path(__file__).parents[3]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["jobs", *map(str, arguments)])


def run(*arguments: str | Path) -> str:
    """Run a command that must succeed, and return what it prints."""
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_has_the_jobs_of_all_owners(
    jobs: Jobs, store_path: Path, unattended: None
) -> None:
    assert run("list", "-s", store_path) == "No jobs yet.\n"
    first = jobs.submit("train", training(), owner="me")
    second = jobs.submit("search", {}, owner="you")
    newest, oldest = run("list", "-s", store_path).splitlines()
    assert newest.startswith(second.id)
    assert newest.endswith("search    cpu     queued, number 2")
    assert oldest.startswith(first.id)
    listed = json.loads(run("list", "-s", store_path, "--json", "-n", "1"))
    assert [each["id"] for each in listed] == [second.id]
    assert run("list", "-s", store_path, "--state", "done") == "No such jobs.\n"


def test_a_job_is_shown_with_its_log_fit_for_a_terminal(
    jobs: Jobs, store_path: Path, unattended: None
) -> None:
    job = jobs.submit("train", training("plain-cnn"), owner="me")
    JobTable(store_path).log(job.id).write_text("one\n    two \x1b[2J\n")
    told = run("show", job.id, "-s", store_path)
    assert "kind       train on cpu, of me" in told
    assert '"candidate": "plain-cnn"' in told
    assert "state      queued, number 1" in told
    assert told.endswith("one\n    two \N{REPLACEMENT CHARACTER}[2J\n")
    assert json.loads(run("show", job.id, "-s", store_path, "--json"))["state"] == "queued"


def test_a_job_is_cancelled(jobs: Jobs, store_path: Path, unattended: None) -> None:
    job = jobs.submit("train", training(), owner="me")
    assert "cancelled" in run("cancel", job.id, "-s", store_path)
    assert jobs.get(job.id, owner="me").state == "cancelled"


def test_watching_ends_with_the_job(jobs: Jobs, store_path: Path) -> None:
    job = jobs.submit("train", training(), owner="me")
    result = invoke("watch", job.id, "-s", store_path)
    assert result.exit_code == 1
    assert "failed, no architecture 'nobody'" in result.stderr
    assert "failed, no architecture 'nobody'" in result.stdout
    again = invoke("watch", job.id, "-s", store_path, "--json")
    assert json.loads(again.stdout) == ended(jobs, job).model_dump(mode="json")


def test_who_stops_watching_does_not_stop_the_job(
    jobs: Jobs, store_path: Path, busy: DeviceLock
) -> None:
    job = jobs.submit("train", training(), owner="me")
    begun(jobs, job, "another store's job has it")
    program = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from deltanas_mcp.cli import main\n"
        "main()"
    )
    command = [sys.executable, "-u", "-c", program, "jobs", "watch", job.id, "-s", str(store_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "queued, number 1" in process.stderr.readline()
        os.kill(process.pid, signal.SIGINT)
        errors = process.stderr.read()
    assert process.returncode == 130
    assert f"The job goes on; `deltanas jobs cancel {job.id}" in errors
    assert jobs.get(job.id, owner="me").state == "queued"


def test_an_unknown_job_or_store_is_said_in_words(store_path: Path, tmp_path: Path) -> None:
    unknown = invoke("show", "x", "-s", store_path)
    assert (unknown.exit_code, "there is no job 'x'" in unknown.stderr) == (1, True)
    missing = invoke("list", "-s", tmp_path / "none")
    assert (missing.exit_code, "there is no store at" in missing.stderr) == (1, True)
