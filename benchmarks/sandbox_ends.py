"""Measure how long a candidate's processes live after the reason to live is gone.

Run it from the repository root, where the project is installed, on an idle machine:

    python -m benchmarks.sandbox_ends              # 20 rounds of each, about eight minutes
    python -m benchmarks.sandbox_ends --rounds 5

For each isolated back end that this machine has: milliseconds until no process of the tree is
left after a time-out (of the candidate), a cancelled wait, SIGKILL of the host and SIGKILL of the
fork server (of everything). The candidate sleeps in six threads and ignores all signals. The
processes are waited for by pidfd, so nothing is polled.
"""

import argparse
import os
import platform
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from threading import Thread
from types import FrameType

from deltanas_tools.sandbox import Limits, Sandbox
from deltanas_tools.sandbox.isolation import BACKENDS, BackEnd, available, why_not
from tests.hostile.scene import STUBBORN
from tests.processes_for_tests import descendants

WALL_SECONDS = 0.3
"""Of the candidate that times out; what is measured begins after it."""
LONG_SECONDS = 1000.0


class Cancelled(Exception):
    """Raised in the waiting thread."""


def main() -> None:
    """Print one line per back end and way to end."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--host", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.host:
        be_host(options.host)
        return
    say(f"{platform.platform()}, Python {platform.python_version()}, load {os.getloadavg()[0]}")
    say(f"milliseconds until the tree is empty, {options.rounds} rounds each")
    say(f"{'':26}{'':20}{'min':>8}{'median':>8}{'max':>8}")
    ways: dict[str, Callable[[BackEnd, int], list[float]]] = {
        "time-out": time_outs,
        "cancel": cancellations,
        "SIGKILL of host": dead_hosts,
        "SIGKILL of server": dead_servers,
    }
    for back_end in BACKENDS:
        if back_end not in available():
            say(f"{back_end}: {why_not(back_end)}")
            continue
        for name, way in ways.items():
            times = [1000 * seconds for seconds in way(back_end, options.rounds)]
            spread = f"{min(times):8.1f}{median(times):8.1f}{max(times):8.1f}"
            say(f"{back_end:26}{name:20}{spread}")


def time_outs(back_end: BackEnd, rounds: int) -> list[float]:
    """From the end of the allowed time to the answer; the server reaps all before it answers."""
    with Sandbox(back_end) as sandbox:
        warm_up(sandbox)
        found = []
        for _ in range(rounds):
            started = time.monotonic()
            run(sandbox, STUBBORN, WALL_SECONDS)
            found.append(time.monotonic() - started - WALL_SECONDS)
        return found


def cancellations(back_end: BackEnd, rounds: int) -> list[float]:
    """From the exception in the waiting thread to the end of the last process."""
    started = 0.0

    def cancel(_number: int, _frame: FrameType | None) -> None:
        nonlocal started
        started = time.monotonic()
        raise Cancelled

    before = signal.signal(signal.SIGALRM, cancel)
    found = []
    with Sandbox(back_end) as sandbox:
        for _ in range(rounds):
            warm_up(sandbox)
            signal.setitimer(signal.ITIMER_REAL, WALL_SECONDS)
            try:
                run(sandbox, STUBBORN, LONG_SECONDS)
            except Cancelled:
                wait(open_all(descendants(os.getpid())))
                found.append(time.monotonic() - started)
    signal.signal(signal.SIGALRM, before)
    return found


def dead_hosts(back_end: BackEnd, rounds: int) -> list[float]:
    """From the signal to the end of the last process of the tree."""
    found = []
    for _ in range(rounds):
        command = [sys.executable, "-m", "benchmarks.sandbox_ends", "--host", back_end]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as host:
            assert host.stdout is not None
            host.stdout.readline()
            watched = candidate_of(host.pid)
            started = time.monotonic()
            host.kill()
            wait(watched)
            found.append(time.monotonic() - started)
    return found


def dead_servers(back_end: BackEnd, rounds: int) -> list[float]:
    """From the signal to the end of the last process, of which the sandbox replaces each."""
    found = []
    for _ in range(rounds):
        with Sandbox(back_end) as sandbox:
            warm_up(sandbox)
            warm = descendants(os.getpid())
            waiting = Thread(target=run, args=(sandbox, STUBBORN, WALL_SECONDS))
            waiting.start()
            while not descendants(os.getpid()) - warm:
                time.sleep(0.01)
            watched = open_all(descendants(os.getpid()))
            server = next(pid for pid in sorted(warm) if is_python(pid))
            started = time.monotonic()
            os.kill(server, signal.SIGKILL)
            wait(watched)
            found.append(time.monotonic() - started)
            waiting.join()
    return found


def be_host(back_end: str) -> None:
    """Wait for a candidate that never ends."""
    assert back_end in BACKENDS
    with Sandbox(back_end) as sandbox:
        warm_up(sandbox)
        say("warm")
        run(sandbox, STUBBORN, LONG_SECONDS)


def warm_up(sandbox: Sandbox) -> None:
    """Have the server started."""
    run(sandbox, "raise SystemExit", LONG_SECONDS)


def run(sandbox: Sandbox, source: str, wall_seconds: float) -> None:
    """Build a candidate, whatever comes of it."""
    payload = {
        "source": source,
        "hparams": {},
        "in_shape": [1, 1, 8, 8],
        "num_classes": 2,
        "complex_inputs": False,
        "seed": 0,
    }
    sandbox.run("build", payload, limits=Limits(wall_seconds=wall_seconds))


def candidate_of(host: int) -> list[int]:
    """Wait until the tree below ``host`` has stopped to grow; its pidfds."""
    before: set[int] = set()
    time.sleep(WALL_SECONDS)
    while (now := descendants(host)) != before:
        before = now
        time.sleep(WALL_SECONDS)
    return open_all(now)


def open_all(pids: Iterable[int]) -> list[int]:
    """Return pidfds of those that still run."""
    found = []
    for pid in pids:
        try:
            found.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    return found


def wait(pidfds: list[int]) -> None:
    """Wait for the end of each."""
    for pidfd in pidfds:
        if not select.select([pidfd], [], [], 60)[0]:
            sys.exit("a process was still alive after a minute")
        os.close(pidfd)


def is_python(pid: int) -> bool:
    """Say whether a process is an interpreter, and not what is wrapped round it."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(sys.executable.encode())


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
