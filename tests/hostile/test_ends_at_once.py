"""Time-out, cancellation and the death of anybody involved leave no process behind.

Nothing here asserts how fast: `benchmarks/sandbox_ends.py` prints that.
"""

import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from types import FrameType

import pytest

from deltanas_repo_store.errors import SandboxError
from deltanas_tools.sandbox import Completed, Failed, Sandbox
from deltanas_tools.sandbox.isolation import BackEnd
from tests.hostile.scene import STUBBORN, build, find_server
from tests.networks_for_tests import network
from tests.processes_for_tests import descendants

PATIENCE_SECONDS = 60.0


def wait_until(condition: Callable[[], object]) -> None:
    for _ in range(int(PATIENCE_SECONDS / 0.01)):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to pass within a minute")


def wait_until_ended(pidfds: Iterable[int]) -> None:
    for pidfd in pidfds:
        assert select.select([pidfd], [], [], PATIENCE_SECONDS)[0], "a process is still alive"
        os.close(pidfd)


@contextmanager
def warm(back_end: BackEnd) -> Generator[tuple[Sandbox, set[int]]]:
    """A sandbox that has its server, and the processes that it has without a candidate."""
    before = descendants(os.getpid())
    with Sandbox(back_end) as sandbox:
        assert isinstance(build(sandbox, network()), Completed)
        yield sandbox, descendants(os.getpid()) - before
    assert descendants(os.getpid()) == before


def test_a_time_out_leaves_the_server_alone(back_end: BackEnd) -> None:
    with warm(back_end) as (sandbox, processes):
        others = descendants(os.getpid()) - processes
        outcome = build(sandbox, STUBBORN, wall_seconds=0.5)
        assert isinstance(outcome, Failed)
        assert outcome.code == "timeout"
        assert descendants(os.getpid()) == others | processes
        assert isinstance(build(sandbox, network()), Completed)


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_exception_while_waiting_ends_all_of_it(
    back_end: BackEnd, error: type[BaseException]
) -> None:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise error

    with warm(back_end) as (sandbox, processes):
        others = descendants(os.getpid()) - processes
        handler = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            with pytest.raises(error):
                build(sandbox, STUBBORN, wall_seconds=100)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, handler)
        wait_until(lambda: descendants(os.getpid()) <= others)
        assert isinstance(build(sandbox, network()), Completed)


def test_closing_from_another_thread_does_not_wait_for_the_candidate(back_end: BackEnd) -> None:
    outcomes: list[object] = []

    def wait() -> None:
        try:
            outcomes.append(build(sandbox, STUBBORN, wall_seconds=5))
        except SandboxError as error:
            outcomes.append(error)

    with warm(back_end) as (sandbox, processes):
        others = descendants(os.getpid()) - processes
        waiting = threading.Thread(target=wait)
        waiting.start()
        wait_until(lambda: descendants(os.getpid()) - others > processes)
        sandbox.close()
        waiting.join()
        wait_until(lambda: descendants(os.getpid()) <= others)
    (outcome,) = outcomes
    assert not isinstance(outcome, Completed)
    assert not (isinstance(outcome, Failed) and outcome.code == "timeout"), "close waited for it"


HOST = """\
from deltanas_tools.sandbox import Sandbox
from tests.hostile.scene import build
from tests.networks_for_tests import network
from tests.hostile.scene import STUBBORN
with Sandbox({back_end!r}) as sandbox:
    build(sandbox, network())
    print("warm", flush=True)
    build(sandbox, STUBBORN, wall_seconds=1000)
"""


@contextmanager
def host(back_end: BackEnd) -> Generator["subprocess.Popen[bytes]"]:
    """A process of its own that waits for a candidate that never ends."""
    command = [sys.executable, "-c", HOST.format(back_end=back_end)]
    path = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": path}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        try:
            yield process
        finally:
            process.kill()


def open_all(pids: Iterable[int]) -> list[int]:
    found = []
    for pid in pids:
        try:
            found.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_the_end_of_the_host_is_the_end_of_all(back_end: BackEnd, number: signal.Signals) -> None:
    with host(back_end) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"warm\n"
        server = descendants(process.pid)
        wait_until(lambda: descendants(process.pid) - server)
        watched = open_all(descendants(process.pid))
        process.send_signal(number)
        wait_until_ended(watched)


@pytest.mark.parametrize("seed", range(6))
def test_a_host_killed_while_it_starts_leaves_nothing(back_end: BackEnd, seed: int) -> None:
    with host(back_end) as process:
        wait_until(lambda: descendants(process.pid))
        # As close to the start of bubblewrap as it comes: its first 20 ms are the dangerous ones.
        time.sleep(random.Random(seed).random() * 0.05)
        watched = open_all(descendants(process.pid))
        process.kill()
        wait_until_ended(watched)


def test_the_end_of_the_server_is_the_end_of_its_candidate(back_end: BackEnd) -> None:
    outcomes: list[object] = []
    with warm(back_end) as (sandbox, processes):
        others = descendants(os.getpid()) - processes
        source = STUBBORN
        waiting = threading.Thread(
            target=lambda: outcomes.append(build(sandbox, source, wall_seconds=1.5))
        )
        waiting.start()
        wait_until(lambda: descendants(os.getpid()) - others > processes)
        candidates = open_all(descendants(os.getpid()) - others - processes)
        os.kill(find_server(processes), signal.SIGKILL)
        wait_until_ended(candidates)
        waiting.join()
        assert isinstance(outcomes[0], Failed)
        assert isinstance(build(sandbox, network()), Completed)
