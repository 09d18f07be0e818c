"""Whoever dies when: no job is lost, none is done twice at once, and every row comes to an end."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from deltanas_agent.submit import submit
from deltanas_mcp.jobs import Jobs
from deltanas_mcp.jobs.processes import descendants
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.entries import KeptEntry
from deltanas_repo_store.records import Proposal
from deltanas_repo_store.repository.git import create_repository
from tests.deltanas_mcp.jobs.conftest import (
    Asked,
    alive,
    begun,
    ended,
    everything_of,
    training,
    until,
    worker_of,
)

ROOT = Path(__file__).parents[3]
DELTA = "@@\n-        kernel = 3\n+        kernel = 5\n"
SUBMITS = """\
import sys
from pathlib import Path
from deltanas_mcp.jobs import Jobs

jobs = Jobs(Path(sys.argv[1]), max_queued=1000, max_queued_per_owner=1000)
for seed in range(20):
    arguments = {"candidate": sys.argv[2], "dataset": "digits", "seed": seed, "max_seconds": 600.0}
    print(jobs.submit("train", arguments, owner="me").id, flush=True)
"""


def submitter(store: Path, candidate: str) -> "subprocess.Popen[str]":
    """Start a process that submits one job after the other, until it is killed."""
    return subprocess.Popen(
        [sys.executable, "-c", SUBMITS, str(store), candidate],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_job_outlives_a_killed_server_and_its_candidate_is_committed(
    jobs: Jobs, store_path: Path
) -> None:
    with open_store(store_path) as store:
        proposal = Proposal(answer=DELTA, summary="wider", proposer="me", seed=0)
        parent = store.resolve("plain-cnn")
        made = submit(store, run="mcp", parent=parent, proposal=proposal)
    with submitter(store_path, f"mcp/{made.pending.key.name}") as process:
        assert process.stdout is not None
        job_id = process.stdout.readline().strip()
        os.killpg(process.pid, signal.SIGKILL)
    job = ended(jobs, jobs.get(job_id, owner="me"))
    assert (job.state, job.error, job.progress, job.total) == ("done", "", 1.0, 1.0)
    assert job.created_at <= job.started_at <= job.ended_at  # type: ignore[operator]
    with open_store(store_path) as store:
        [entry] = store.candidates("mcp")
    assert isinstance(entry, KeptEntry)
    trained = (job.result or {})["training"]
    assert isinstance(trained, dict)
    assert trained["id"] == entry.id
    for each in jobs.list(owner="me", state="queued", limit=1000):
        jobs.cancel(each.id, owner="me")


@pytest.mark.parametrize("kills", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_no_job_of_a_submitter_that_is_killed_at_any_moment_is_left_alone(
    store_path: Path, kills: int
) -> None:
    jobs = Jobs(store_path, idle_seconds=0.0)
    rng = random.Random(7)
    said: list[str] = []
    for _ in range(kills):
        with submitter(store_path, "nobody") as process:
            time.sleep(rng.uniform(0.1, 0.9))
            os.killpg(process.pid, signal.SIGKILL)
            assert process.stdout is not None
            said += process.stdout.read().splitlines()
    jobs.recover()
    until(lambda: not jobs.list(owner=None, state="queued"), seconds=300)
    rows = jobs.list(owner=None, limit=10_000)
    assert {each.state for each in rows} <= {"failed"}
    assert all("no architecture 'nobody'" in each.error for each in rows)
    assert set(said) <= {each.id for each in rows}


@pytest.mark.slow
def test_rows_are_truthful_whichever_process_is_killed_at_any_moment(store_path: Path) -> None:
    jobs = Jobs(store_path, idle_seconds=0.1)
    rng = random.Random(7)
    for seed in range(40):
        job = jobs.submit("train", training("shuffle-net", seed=seed), owner="me")
        time.sleep(rng.uniform(0.0, 4.0))
        if jobs.get(job.id, owner="me").state == "running":
            worker = worker_of(store_path, job)
            there = everything_of(store_path, job)
            victim = rng.choice([worker, *descendants(worker)])
            with suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
            found = ended(jobs, job)
            assert found.state in ("done", "failed")
            assert (found.result is None) == (found.state == "failed")
            assert bool(found.error) == (found.state == "failed")
            if victim == worker:
                until(lambda there=there: alive(there) == [])  # type: ignore[misc]
    last = ended(jobs, jobs.submit("train", training("shuffle-net", seed=99), owner="me"))
    assert last.state == "done"


@pytest.mark.slow
def test_a_job_can_be_cancelled_at_any_moment(store_path: Path, sleeper: str) -> None:
    jobs = Jobs(store_path)
    rng = random.Random(7)
    for _ in range(25):
        job = jobs.submit("train", training(sleeper), owner="me")
        time.sleep(rng.uniform(0.0, 6.0))
        is_running = jobs.get(job.id, owner="me").state == "running"
        there = everything_of(store_path, job) if is_running else {}
        assert jobs.cancel(job.id, owner="me").state == "cancelled"
        left = alive(there)
        assert left in ([], [worker_of(store_path, job)] if is_running else [])


def test_two_stores_share_a_device(
    jobs: Jobs, store_path: Path, tmp_path: Path, hanging: Asked
) -> None:
    create_repository(tmp_path / "other")
    other = Jobs(tmp_path / "other")
    mine = jobs.submit("propose", hanging, owner="me")
    begun(jobs, mine, "loading the model")
    theirs = other.submit("train", training(), owner="you")
    assert begun(other, theirs, "waiting for cpu: another store's job has it").state == "queued"
    jobs.submit("train", training(), owner="me")
    last = jobs.submit("propose", hanging, owner="me")
    jobs.cancel(mine.id, owner="me")
    # Whoever waits has its turn, however many jobs the other store has.
    assert ended(other, theirs).state == "failed"
    begun(jobs, last, "loading the model")
    jobs.cancel(last.id, owner="me")


def test_a_server_that_starts_ends_the_rows_of_the_dead_and_starts_what_waits(
    jobs: Jobs, store_path: Path, hanging: Asked
) -> None:
    job = jobs.submit("propose", hanging, owner="me")
    begun(jobs, job, "loading the model")
    waiting = jobs.submit("train", training(), owner="me")
    there = everything_of(store_path, job)
    os.kill(worker_of(store_path, job), signal.SIGKILL)
    until(lambda: alive(there) == [])
    # Nobody looks at the rows before the next server does.
    Jobs(store_path).recover()
    [second, first] = jobs.list(owner=None)
    assert (first.id, first.state) == (job.id, "failed")
    assert second.id == waiting.id
    assert ended(jobs, waiting).state == "failed"
