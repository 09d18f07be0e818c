"""The fork server: it starts late, ends with its parent, and is replaced when it is lost."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from deltanas_repo_store.errors import SandboxError
from deltanas_tools.sandbox import Completed, Failed, Limits, Sandbox
from tests.networks_for_tests import network
from tests.processes_for_tests import descendants

ENDLESS = network(module="while True: pass")


def build(sandbox: Sandbox, source: str, *, wall_seconds: float = 60) -> Completed | Failed:
    payload = {
        "source": source,
        "hparams": {"lr": 0.1, "momentum": 0.9},
        "in_shape": [4, 1, 8, 8],
        "num_classes": 10,
        "complex_inputs": False,
        "seed": 0,
    }
    return sandbox.run("build", payload, limits=Limits(wall_seconds=wall_seconds))


def processes_of(sandbox: Sandbox) -> set[int]:
    """The server, with what is round it; our own helpers are not running meanwhile."""
    before = descendants(os.getpid())
    assert isinstance(build(sandbox, network()), Completed)
    return descendants(os.getpid()) - before


@contextmanager
def interrupted_after(seconds: float) -> Generator[None]:
    """Raise KeyboardInterrupt in the block, as Ctrl-C does."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_importing_the_rooms_loads_no_heavy_package() -> None:
    code = (
        "import sys\n"
        "import deltanas_tools.sandbox, deltanas_tools.checks\n"
        "import deltanas_tools.datasets, deltanas_tools.train_one_epoch\n"
        "print({'torch', 'torchvision', 'sklearn'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("set()\n", "")


def test_a_server_serves_many_requests() -> None:
    with Sandbox() as sandbox:
        assert processes_of(sandbox)
        assert not processes_of(sandbox)


def test_threads_take_turns(sandbox: Sandbox) -> None:
    outcomes: list[Completed | Failed] = []
    source = network()
    threads = [
        threading.Thread(target=lambda: outcomes.append(build(sandbox, source))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(outcome) for outcome in outcomes] == [Completed] * 4


def test_an_interrupt_ends_the_child_and_the_sandbox_stays_usable() -> None:
    before = descendants(os.getpid())
    with Sandbox() as sandbox:
        build(sandbox, network())
        with pytest.raises(KeyboardInterrupt), interrupted_after(0.5):
            build(sandbox, ENDLESS)
        assert descendants(os.getpid()) == before
        assert isinstance(build(sandbox, network()), Completed)


def test_without_walls_a_candidate_that_kills_the_server_is_to_blame_at_the_second_time() -> None:
    killer = network(module="os.kill(os.getppid(), 9)\nwhile True: pass")
    with Sandbox("none") as sandbox:
        outcome = build(sandbox, killer)
        assert isinstance(outcome, Failed)
        assert outcome.code == "crash"
        assert "twice" in outcome.message
        assert isinstance(build(sandbox, network()), Completed)


def test_closing_leaves_no_process_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = descendants(os.getpid())
    with Sandbox() as sandbox:
        build(sandbox, network())
    assert descendants(os.getpid()) == before
    assert list(tmp_path.iterdir()) == []


def test_closing_a_sandbox_that_was_never_used_is_fine() -> None:
    Sandbox().close()


def test_closing_ends_a_candidate_whose_server_is_only_starting() -> None:
    sandbox = Sandbox()
    with ThreadPoolExecutor(1) as thread:
        building = thread.submit(build, sandbox, network(module="while True: pass"))
        while sandbox._lock.acquire(blocking=False):  # until the thread is at it
            sandbox._lock.release()
        sandbox.close()
        with pytest.raises(SandboxError, match="closed"):
            building.result()


@pytest.mark.parametrize(
    "executable",
    [pytest.param("/bin/false", id="ends at once"), pytest.param("/no/python", id="missing")],
)
def test_a_server_that_does_not_start_is_the_sandboxes_fault(
    monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(sys, "executable", executable)
    with pytest.raises(SandboxError, match=executable), Sandbox() as sandbox:
        build(sandbox, network())


@pytest.mark.parametrize("back_end", ["auto", "none"])
def test_a_killed_parent_takes_server_and_child_with_it(back_end: str) -> None:
    source = network(module="while True: pass")
    code = (
        "from deltanas_tools.sandbox import Limits, Sandbox\n"
        f"sandbox = Sandbox({back_end!r})\n"
        "payload = {'hparams': {'lr': 0.1, 'momentum': 0.9}, 'in_shape': [1, 1, 8, 8],"
        " 'num_classes': 2, 'seed': 0}\n"
        f"sandbox.run('build', {{'source': {network()!r}, **payload}}, limits=Limits())\n"
        "print('warm', flush=True)\n"
        f"sandbox.run('build', {{'source': {source!r}, **payload}}, limits=Limits())"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline() == b"warm\n"
    warm = descendants(parent.pid)
    while not (children := descendants(parent.pid) - warm):
        time.sleep(0.01)
    watched = [os.pidfd_open(pid) for pid in warm | children]
    parent.kill()
    parent.wait()
    for pidfd in watched:
        assert select.select([pidfd], [], [], 60)[0], "still alive a minute after its parent"
        os.close(pidfd)
