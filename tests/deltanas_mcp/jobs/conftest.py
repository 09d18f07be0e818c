"""Jobs on a real store, with real workers."""

import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from pydantic import JsonValue

from deltanas_mcp.jobs import Job, Jobs
from deltanas_mcp.jobs.locks import DeviceLock, try_lock
from deltanas_mcp.jobs.processes import descendants, identity
from deltanas_mcp.jobs.table import JobTable
from deltanas_mcp.wiring import open_store
from deltanas_repo_store.baselines import baselines

Asked = dict[str, JsonValue]


@pytest.fixture
def jobs(store_path: Path) -> Jobs:
    return Jobs(store_path)


@pytest.fixture
def busy(jobs: Jobs, cache: Path) -> Generator[DeviceLock]:
    """A device that another store's job has: what is queued stays so, and is cancelled."""
    device = DeviceLock(cache / "devices", "cpu")
    while (lock := device.try_take()) is None:
        time.sleep(0.02)  # a worker of the test before has not yet seen that its store is gone
    try:
        yield device
        for each in jobs.list(owner=None, state="queued", limit=1000):
            jobs.cancel(each.id, owner=None)
    finally:
        lock.release()


@pytest.fixture
def unattended(store_path: Path) -> Generator[None]:
    """A store whose queue nobody works on: this process has the role of the worker."""
    role = try_lock(JobTable(store_path).role("cpu"))
    assert role is not None
    yield
    role.release()


@pytest.fixture
def hanging(store_path: Path, tmp_path: Path) -> Asked:
    """What to ask of a ``propose`` job that does not end: its model's file is never written to."""
    pipe = tmp_path / "model.toml"
    os.mkfifo(pipe)
    return {
        "parent": "plain-cnn",
        "dataset": "digits",
        "goal": "",
        "seed": 1,
        "model": str(pipe),
    }


@pytest.fixture
def sleeper(store_path: Path) -> str:
    """A baseline whose training takes as long as it may."""
    whole = baselines()["plain-cnn"]
    lines = whole.source.split("\n")
    [head] = [at for at, line in enumerate(lines) if line.lstrip().startswith("def learn(")]
    lines.insert(head + 1, "        import time; time.sleep(600)")
    with open_store(store_path) as store:
        store.import_baseline("sleeper", whole.model_copy(update={"source": "\n".join(lines)}))
    return "sleeper"


def training(candidate: str = "nobody", seed: int = 1) -> Asked:
    """What to ask of a ``train`` job; that of nobody fails at once."""
    return {"candidate": candidate, "dataset": "digits", "seed": seed, "max_seconds": 600.0}


def until(is_so: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something that must come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(jobs: Jobs, job: Job) -> Job:
    """Wait for a job, and return it as it ended."""
    until(lambda: jobs.get(job.id, owner=None).ended)
    return jobs.get(job.id, owner=None)


def begun(jobs: Jobs, job: Job, words: str) -> Job:
    """Wait until a job that goes on says these words."""
    seen = [job]

    def says_so() -> bool:
        seen.append(jobs.get(job.id, owner=None))
        assert not seen[-1].ended, jobs.log(job.id, owner=None)
        return words in seen[-1].message

    until(says_so)
    return seen[-1]


def worker_of(store: Path, job: Job) -> int:
    """Return the process that has a job."""
    with JobTable(store).reading() as rows:
        [name] = rows.execute("SELECT worker FROM job WHERE id = ?", (job.id,)).fetchone()
    return int(name.split("/")[2])


def below(pid: int) -> dict[int, str]:
    """Return the processes below one, and what tells them from all others."""
    return {each: name for each in descendants(pid) if (name := identity(each))}


def everything_of(store: Path, job: Job) -> dict[int, str]:
    """Return the worker of a job, and the processes below it."""
    worker = worker_of(store, job)
    return {worker: identity(worker), **below(worker)}


def alive(processes: dict[int, str]) -> list[int]:
    """Return those that have not ended."""
    return [pid for pid, name in processes.items() if identity(pid) == name and not _dead(pid)]


def _dead(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
