"""What a tiny candidate costs in the warm sandbox, and in a process of its own.

CPU seconds of everything that takes part: this process, the server, the children. Run as
``python -m benchmarks.tiny_candidate``; it takes about a minute.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from deltanas_repo_store.records import Architecture
from deltanas_tools.datasets import Dataset, prepare
from deltanas_tools.sandbox import Limits, Sandbox
from deltanas_tools.sandbox.isolation import available
from deltanas_tools.train_one_epoch import train_one_epoch
from tests.networks_for_tests import network
from tests.processes_for_tests import descendants

ROUNDS = 5
CANDIDATES = 10
"""Per round, since the kernel counts in hundredths of a second."""
CANDIDATE = Architecture(source=network(), hparams={"lr": 0.1, "momentum": 0.9})
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure alternately, and print medians and their ratio."""
    with tempfile.TemporaryDirectory() as cache:
        digits = prepare("digits", cache=Path(cache))
        for back_end in (*available(), "none"):
            with Sandbox(back_end) as sandbox:  # type: ignore[arg-type]
                warm(sandbox, digits)  # starts the server
                rounds = [(warm(sandbox, digits), cold()) for _ in range(ROUNDS)]
                name = sandbox.isolation
            ours, theirs = (median(column) for column in zip(*rounds, strict=True))
            print(  # noqa: T201
                f"{name:30} {ours:.3f} CPU-s a candidate (one epoch of digits, two forks); "
                f"import torch, torchvision: {theirs:.2f} CPU-s, {theirs / ours:.0f} times as much"
            )


def warm(sandbox: Sandbox, digits: Dataset) -> float:
    """Return the CPU seconds of a candidate in the sandbox."""
    before = used()
    for _ in range(CANDIDATES):
        train_one_epoch(CANDIDATE, digits, sandbox=sandbox, seed=1, limits=Limits())
    return (used() - before) / CANDIDATES


def cold() -> float:
    """Return the CPU seconds that a process of its own takes before a line of a candidate runs."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import torch, torchvision"], check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def used() -> float:
    """Return the CPU seconds of this process and of all below it, ended ones included."""
    own = os.times()
    ticks = 0
    for pid in descendants(os.getpid()):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))
    return own.user + own.system + ticks / _TICKS


if __name__ == "__main__":
    main()
