"""Workers: they do jobs one by one, stay warm, end what is cancelled, and die truthfully."""

import os
import signal
from pathlib import Path

import pytest

from deltanas_mcp.jobs import Jobs
from deltanas_mcp.jobs.processes import descendants
from deltanas_mcp.jobs.table import JobTable
from tests.deltanas_mcp.jobs.conftest import (
    Asked,
    alive,
    begun,
    below,
    ended,
    everything_of,
    training,
    until,
    worker_of,
)


def test_what_cannot_be_done_fails_in_words(jobs: Jobs) -> None:
    job = ended(jobs, jobs.submit("train", training("nobody"), owner="me"))
    assert (job.state, job.result) == ("failed", None)
    assert "no architecture 'nobody'" in job.error
    assert "no architecture 'nobody'" in jobs.log(job.id, owner="me")


def test_an_internal_error_is_told_and_its_traceback_is_in_the_log(jobs: Jobs) -> None:
    job = ended(jobs, jobs.submit("train", {"candidate": 1}, owner="me"))
    assert job.error == "internal error (ValidationError); see the job's log"
    assert "Traceback" in jobs.log(job.id, owner="me")


def test_what_cannot_be_imported_is_an_error_of_the_job(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "git.py").write_text("raise ImportError('broken installation')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    job = ended(jobs, jobs.submit("train", training(), owner="me"))
    assert job.error == "internal error (ImportError); see the job's log"
    assert "broken installation" in jobs.log(job.id, owner="me")


def test_jobs_are_done_in_order_by_one_worker_that_stays_warm(jobs: Jobs, store_path: Path) -> None:
    made = [jobs.submit("train", training(seed=seed), owner="me") for seed in range(3)]
    done = [ended(jobs, each) for each in made]
    moments = [moment for each in done for moment in (each.started_at, each.ended_at)]
    assert moments == sorted(moments)  # type: ignore[type-var]
    [worker] = {worker_of(store_path, each) for each in made}
    performer = descendants(worker)[0]
    again = ended(jobs, jobs.submit("train", training(), owner="me"))
    assert worker_of(store_path, again) == worker
    assert descendants(worker)[0] == performer


def test_a_search_ends_the_process_that_did_it(jobs: Jobs, store_path: Path) -> None:
    first = ended(jobs, jobs.submit("search", {}, owner="me"))
    before = below(worker_of(store_path, first))
    second = ended(jobs, jobs.submit("train", training(), owner="me"))
    assert worker_of(store_path, second) == worker_of(store_path, first)
    assert alive(before) == []


def test_a_worker_without_work_ends_and_the_next_job_has_another(store_path: Path) -> None:
    jobs = Jobs(store_path, idle_seconds=0.0)
    workers = set()
    for seed in range(3):
        job = ended(jobs, jobs.submit("train", training(seed=seed), owner="me"))
        assert "no architecture" in job.error
        workers.add(worker_of(store_path, job))
    assert len(workers) > 1  # one that is about to end may find another job, and stay


def test_a_worker_ends_when_its_store_is_gone(jobs: Jobs, store_path: Path) -> None:
    job = ended(jobs, jobs.submit("train", training(), owner="me"))
    there = everything_of(store_path, job)
    store_path.rename(store_path.with_name("moved"))
    until(lambda: alive(there) == [])
    store_path.with_name("moved").rename(store_path)
    assert ended(jobs, jobs.submit("train", training(), owner="me")).error == job.error


def test_cancelling_ends_everything_that_runs(jobs: Jobs, store_path: Path, sleeper: str) -> None:
    job = jobs.submit("train", training(sleeper), owner="me")
    begun(jobs, job, "checking and training")
    worker = worker_of(store_path, job)
    # The performer, bubblewrap twice, the server within, and what it has forked.
    until(lambda: len(descendants(worker)) >= 5)
    there = below(worker)
    cancelled = jobs.cancel(job.id, owner="me")
    assert alive(there) == []
    assert (cancelled.state, cancelled.message, cancelled.error) == ("cancelled", "cancelled", "")
    assert jobs.cancel(job.id, owner="me") == cancelled
    # The same worker goes on.
    following = ended(jobs, jobs.submit("train", training(), owner="me"))
    assert (following.state, worker_of(store_path, following)) == ("failed", worker)


@pytest.mark.parametrize("stopped", ["performer", "worker"])
def test_what_does_not_react_is_cancelled_as_well(
    jobs: Jobs, store_path: Path, hanging: Asked, stopped: str
) -> None:
    job = jobs.submit("propose", hanging, owner="me")
    begun(jobs, job, "loading the model")
    worker = worker_of(store_path, job)
    performer = descendants(worker)[0]
    there = below(worker)
    os.kill({"performer": performer, "worker": worker}[stopped], signal.SIGSTOP)
    assert jobs.cancel(job.id, owner="me").state == "cancelled"
    assert alive(there) == []
    assert ended(jobs, jobs.submit("train", training(), owner="me")).state == "failed"


def test_a_job_whose_process_is_killed_has_failed(
    jobs: Jobs, store_path: Path, hanging: Asked
) -> None:
    job = jobs.submit("propose", hanging, owner="me")
    begun(jobs, job, "loading the model")
    there = below(worker_of(store_path, job))
    os.kill(descendants(worker_of(store_path, job))[0], signal.SIGKILL)
    failed = ended(jobs, job)
    assert failed.state == "failed"
    assert failed.error.startswith(
        "the process that worked on it was killed by signal 9 (out of memory?): see its log"
    )
    assert alive(there) == []


def test_a_job_whose_worker_is_killed_has_failed_and_nothing_is_left(
    jobs: Jobs, store_path: Path, sleeper: str
) -> None:
    job = jobs.submit("train", training(sleeper), owner="me")
    waiting = jobs.submit("train", training(), owner="me")
    worker = worker_of(store_path, begun(jobs, job, "checking and training"))
    until(lambda: len(descendants(worker)) >= 5)
    there = everything_of(store_path, job)
    os.kill(worker, signal.SIGKILL)
    failed = ended(jobs, job)
    assert failed.state == "failed"
    assert failed.error.startswith("its worker ended without a word (killed, or out of memory)")
    until(lambda: alive(there) == [])
    assert "no architecture" in ended(jobs, waiting).error


def test_changes_tell_of_a_worker_that_was_killed(
    jobs: Jobs, store_path: Path, hanging: Asked
) -> None:
    job = jobs.submit("propose", hanging, owner="me")
    begun(jobs, job, "loading the model")
    before = jobs.changes()
    os.kill(worker_of(store_path, job), signal.SIGKILL)
    until(lambda: jobs.changes() > before)
    [found] = jobs.list(owner=None)
    assert found.state == "failed"


def test_a_worker_that_is_told_to_end_leaves_the_queue_to_the_next(
    jobs: Jobs, store_path: Path, hanging: Asked
) -> None:
    job = jobs.submit("propose", hanging, owner="me")
    waiting = jobs.submit("train", training(), owner="me")
    begun(jobs, job, "loading the model")
    there = everything_of(store_path, job)
    os.kill(worker_of(store_path, job), signal.SIGTERM)
    until(lambda: alive(there) == [])
    cancelled = Jobs(store_path).get(job.id, owner=None)
    assert cancelled.state == "cancelled"
    assert cancelled.message == "its worker was told to end (SIGTERM)"
    jobs.recover()
    assert ended(jobs, waiting).state == "failed"


def test_a_worker_that_cannot_start_fails_the_job_with_its_words(
    jobs: Jobs, store_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pydantic.py").write_text("raise ImportError('broken installation')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    job = jobs.submit("train", training(), owner="me")
    assert job.state == "failed"
    assert "its worker cannot be started" in job.error
    assert "broken installation" in job.error
    monkeypatch.delenv("PYTHONPATH")
    assert "nobody" in ended(jobs, jobs.submit("train", training(), owner="me")).error


def test_a_worker_has_no_token_of_its_server(
    jobs: Jobs, store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELTANAS_HTTP_TOKEN", "secret")
    job = ended(jobs, jobs.submit("train", training(), owner="me"))
    for pid in everything_of(store_path, job):
        assert b"secret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_a_worker_holds_nothing_of_whoever_submitted(jobs: Jobs, store_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    job = ended(jobs, jobs.submit("train", training(), owner="me"))
    worker = worker_of(store_path, job)
    os.close(writing)
    assert os.read(reading, 1) == b""  # nobody else has its other end
    os.close(reading)
    outputs = {os.readlink(f"/proc/{worker}/fd/{fd}") for fd in (1, 2)}
    assert outputs == {str(JobTable(store_path).logs / "worker-cpu.log")}
    assert os.getsid(worker) == worker
