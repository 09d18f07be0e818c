"""The queue: who may see what, in which order, how much, and once."""

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deltanas_mcp.jobs import Job, Jobs
from deltanas_mcp.jobs import jobs as jobs_module
from deltanas_mcp.jobs.locks import DeviceLock
from deltanas_mcp.jobs.table import VERSION, JobTable
from deltanas_repo_store.errors import ConfigError, JobError
from tests.deltanas_mcp.jobs.conftest import begun, training

ROOT = Path(__file__).parents[3]


def test_a_job_waits_while_another_store_has_the_device(jobs: Jobs, busy: DeviceLock) -> None:
    job = jobs.submit("train", training(), owner="me")
    assert (job.state, job.queue_position, job.owner, job.kind) == ("queued", 1, "me", "train")
    waiting = begun(jobs, job, "another store's job has it")
    assert waiting.state == "queued"
    assert busy.is_wanted()


def test_jobs_wait_in_the_order_in_which_they_came(jobs: Jobs, unattended: None) -> None:
    made = [jobs.submit("train", training(seed=each), owner="me") for each in range(3)]
    jobs.cancel(made[0].id, owner="me")
    found = [jobs.get(each.id, owner="me").queue_position for each in made]
    assert found == [None, 1, 2]
    assert [each.id for each in jobs.list(owner="me")] == [each.id for each in reversed(made)]
    assert [each.id for each in jobs.list(owner="me", state="queued", limit=1)] == [made[2].id]


def test_a_queued_job_is_cancelled_at_once(jobs: Jobs, unattended: None) -> None:
    job = jobs.submit("train", training(), owner="me")
    cancelled = jobs.cancel(job.id, owner="me")
    assert cancelled.state == "cancelled"
    assert cancelled.ended
    assert cancelled.ended_at is not None
    assert cancelled.started_at is None
    assert jobs.cancel(job.id, owner="me") == cancelled


def test_a_key_finds_the_job_that_it_made(jobs: Jobs, unattended: None) -> None:
    first = jobs.submit("train", training(), owner="me", idempotency_key="a")
    again = jobs.submit("train", training(), owner="me", idempotency_key="a")
    others = [
        jobs.submit("train", training(), owner="me", idempotency_key="b"),
        jobs.submit("train", training(), owner="you", idempotency_key="a"),
        jobs.submit("propose", training(), owner="me", idempotency_key="a"),
        jobs.submit("train", training(), owner="me"),
        jobs.submit("train", training(), owner="me"),
    ]
    assert again.id == first.id
    assert len({first.id, *(each.id for each in others)}) == 6
    jobs.cancel(first.id, owner="me")
    ended = jobs.submit("train", training(), owner="me", idempotency_key="a")
    assert (ended.id, ended.state) == (first.id, "cancelled")


def test_a_key_with_other_arguments_is_refused(jobs: Jobs, unattended: None) -> None:
    job = jobs.submit("train", training(), owner="me", idempotency_key="a")
    with pytest.raises(JobError, match=rf"'a' made the job {job.id}, with other arguments"):
        jobs.submit("train", training(seed=2), owner="me", idempotency_key="a")
    with pytest.raises(JobError, match="with other arguments"):
        jobs.submit("train", training(), owner="me", device="cuda:0", idempotency_key="a")


def test_a_full_queue_takes_no_more(store_path: Path, unattended: None) -> None:
    jobs = Jobs(store_path, max_queued=3, max_queued_per_owner=2)
    first = jobs.submit("train", training(), owner="me", idempotency_key="a")
    jobs.submit("train", training(), owner="me")
    with pytest.raises(JobError, match="the queue is full: 2 of your jobs wait, of at most 2"):
        jobs.submit("train", training(), owner="me")
    jobs.submit("train", training(), owner="you")
    with pytest.raises(JobError, match="the queue is full: 3 jobs wait, of at most 3"):
        jobs.submit("train", training(), owner="you")
    assert jobs.submit("train", training(), owner="me", idempotency_key="a").id == first.id
    jobs.cancel(first.id, owner="me")
    assert jobs.submit("train", training(), owner="me").queue_position == 3


def test_another_owners_job_cannot_be_told_from_none(jobs: Jobs, unattended: None) -> None:
    job = jobs.submit("train", training(), owner="me")
    for ask in (jobs.get, jobs.cancel, jobs.log):
        with pytest.raises(JobError) as refused:
            ask(job.id, owner="you")
        with pytest.raises(JobError) as unknown:
            ask("nobodys", owner="you")
        assert str(refused.value).replace(job.id, "") == str(unknown.value).replace("nobodys", "")
    assert jobs.list(owner="you") == ()
    assert jobs.get(job.id, owner=None).state == "queued"
    assert len(jobs.list(owner=None)) == 1


@pytest.mark.parametrize("device", ["", "gpu", "../cpu", "cuda:", "cpu\n", "cuda:0/../../x"])
def test_what_is_no_device_is_refused(jobs: Jobs, store_path: Path, device: str) -> None:
    with pytest.raises(ConfigError, match="is no device"):
        jobs.submit("train", training(), owner="me", device=device)
    assert not JobTable(store_path).exists()


def test_looking_makes_no_files(jobs: Jobs, store_path: Path) -> None:
    before = sorted(store_path.rglob("*"))
    jobs.recover()
    assert jobs.list(owner=None) == ()
    assert jobs.changes() == 0
    with pytest.raises(JobError, match="there is no job 'x'"):
        jobs.get("x", owner=None)
    assert sorted(store_path.rglob("*")) == before


def test_without_a_store_there_are_no_jobs(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "none")
    with pytest.raises(JobError, match="there is no store at"):
        jobs.submit("train", training(), owner="me")
    assert jobs.list(owner=None) == ()
    assert not (tmp_path / "none").exists()


def test_every_change_is_counted(jobs: Jobs, store_path: Path, busy: DeviceLock) -> None:
    seen = [jobs.changes()]
    job = jobs.submit("train", training(), owner="me")
    seen.append(jobs.changes())
    begun(jobs, job, "another store's job has it")
    seen.append(jobs.changes())
    Jobs(store_path).cancel(job.id, owner="me")
    seen.append(jobs.changes())
    assert seen == sorted(set(seen))
    assert jobs.changes() == seen[-1]


def test_an_id_is_safe_in_a_path_and_on_a_command_line(jobs: Jobs, unattended: None) -> None:
    ids = [jobs_module._new_id() for _ in range(1000)]
    assert not [each for each in ids if each.startswith("-") or "/" in each or len(each) != 24]


def test_threads_and_processes_submit_at_once(store_path: Path, busy: DeviceLock) -> None:
    jobs = Jobs(store_path, max_queued=1000, max_queued_per_owner=1000)
    made: list[Job] = []

    def submit(owner: str) -> None:
        made.extend(jobs.submit("train", training(), owner=owner) for _ in range(8))
        made.append(jobs.submit("train", training(), owner="all", idempotency_key="one"))

    program = (
        "import sys; from pathlib import Path; from deltanas_mcp.jobs import Jobs\n"
        "jobs = Jobs(Path(sys.argv[1]), max_queued=1000, max_queued_per_owner=1000)\n"
        f"for _ in range(8): jobs.submit('train', {training()!r}, owner='p')\n"
        f"jobs.submit('train', {training()!r}, owner='all', idempotency_key='one')"
    )
    command = [sys.executable, "-W", "error", "-c", program, str(store_path)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(4)]
    threads = [threading.Thread(target=submit, args=(f"t{each}",)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0] * 4
    assert len({each.id for each in made}) == 4 * 8 + 1
    queued = jobs.list(owner=None, state="queued", limit=1000)
    assert [each.queue_position for each in queued] == list(range(8 * 8 + 1, 0, -1))


def test_old_jobs_are_forgotten_with_their_logs(
    jobs: Jobs, store_path: Path, unattended: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "MAX_KEPT", 2)
    made = [jobs.submit("train", training(), owner="me") for _ in range(4)]
    table = JobTable(store_path)
    for each in made[1:]:
        table.log(each.id).write_text("printed\n")
        jobs.cancel(each.id, owner="me")
    last = jobs.submit("train", training(), owner="me")
    kept = [last, made[3], made[2], made[0]]
    assert [each.id for each in jobs.list(owner=None)] == [each.id for each in kept]
    assert {each.stem for each in table.logs.iterdir()} == {made[2].id, made[3].id}


def test_the_end_of_a_log_is_read_whatever_is_in_it(
    jobs: Jobs, store_path: Path, unattended: None
) -> None:
    job = jobs.submit("train", training(), owner="me")
    assert jobs.log(job.id, owner="me") == ""
    JobTable(store_path).log(job.id).write_bytes(b"a\n" * 100_000 + b"\xff\xfe\nb\n")
    assert jobs.log(job.id, owner="me", lines=3) == "a\n\ufffd\ufffd\nb"
    assert jobs.log(job.id, owner="me", lines=0) == ""
    assert len(jobs.log(job.id, owner="me", lines=10**9)) <= jobs_module.MAX_LOG_BYTES


def test_a_damaged_table_says_what_to_do(jobs: Jobs, store_path: Path) -> None:
    path = JobTable(store_path).path
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"no table" * 1000)
    with pytest.raises(JobError, match=r"jobs.sqlite3 failed .*; move it away"):
        jobs.list(owner=None)
    with pytest.raises(JobError, match="move it away"):
        jobs.submit("train", training(), owner="me")


def test_the_table_of_another_version_is_left_alone(
    jobs: Jobs, store_path: Path, unattended: None
) -> None:
    jobs.submit("train", training(), owner="me")
    with closing(sqlite3.connect(JobTable(store_path).path)) as connection:
        connection.execute("PRAGMA user_version = 99")
        with pytest.raises(JobError, match="has version 99, not 1"):
            jobs.list(owner=None)
        connection.execute(f"PRAGMA user_version = {VERSION}")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a folder read-only")
def test_a_store_that_cannot_be_written_can_be_listed(
    jobs: Jobs, store_path: Path, unattended: None
) -> None:
    job = jobs.submit("train", training(), owner="me")
    jobs.cancel(job.id, owner="me")
    program = (
        "import sys; from pathlib import Path; from deltanas_mcp.jobs import Jobs\n"
        "jobs = Jobs(Path(sys.argv[1])); [job] = jobs.list(owner=None)\n"
        "assert jobs.changes() and jobs.get(job.id, owner='me') == job\n"
        "try: jobs.submit('train', {}, owner='me')\n"
        "except Exception as error: sys.exit(f'{job.state} {error}')"
    )
    script = f'mount --bind -o ro "$1" "$1" && exec {sys.executable} -c "$2" "$1"'
    command = ["unshare", "-m", "sh", "-c", script, "sh", str(store_path), program]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if "mount" in told.stderr:
        pytest.skip("nothing can be mounted here")
    assert told.stderr.startswith("cancelled the table of jobs")
    assert "read-only" in told.stderr


def test_the_time_left_is_told_from_the_speed_so_far(jobs: Jobs, unattended: None) -> None:
    now = datetime.now(UTC)
    job = jobs.submit("train", training(), owner="me").model_copy(
        update={
            "state": "running",
            "started_at": now - timedelta(seconds=10),
            "progress": 2.0,
            "total": 6.0,
        }
    )
    assert job.eta_seconds(now) == pytest.approx(20.0)
    assert job.model_copy(update={"total": None}).eta_seconds(now) is None
    assert job.model_copy(update={"progress": 0.0}).eta_seconds(now) is None
    assert job.model_copy(update={"progress": 7.0}).eta_seconds(now) == 0.0
    assert job.model_copy(update={"state": "done"}).eta_seconds(now) is None
