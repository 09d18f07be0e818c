"""CPU time of this process, of the children that have ended, and of those that still run.

The git processes that a store keeps are never waited for, so that `resource` does not see them.
"""

import resource
import time
from collections.abc import Callable
from pathlib import Path


def cpu_seconds() -> float:
    """Return user and system time so far: ours, our ended children's, our running children's."""
    return time.process_time() + ended_seconds() + children_seconds()


def ended_seconds() -> float:
    """Return the time of the children that have ended and were waited for."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime


def children_seconds() -> float:
    """Return the time of the running children alone.

    The kernel counts it in ns, and a git process is one thread while it waits for us.
    Source: Linux, Documentation/scheduler/sched-stats.rst, "/proc/<pid>/schedstat".
    """
    total = 0
    for children in Path("/proc/self/task").glob("*/children"):
        for child in children.read_text().split():
            total += int(Path(f"/proc/{child}/schedstat").read_text().split()[0])
    return total / 1e9


class Stopwatch:
    """Measures a block: ``with Stopwatch() as watch``, then ``watch.cpu`` and ``watch.wall``."""

    def __init__(self, clock: Callable[[], float] = time.process_time) -> None:
        """``clock`` is what of our own time counts: the process's, or this thread's."""
        self._clock = clock

    def __enter__(self) -> "Stopwatch":
        """Start."""
        self._others = ended_seconds() + children_seconds()
        # Ours last, so that reading the others' does not count.
        self.wall, self.cpu = time.perf_counter(), self._clock()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; seconds since the start."""
        ours = self._clock() - self.cpu
        self.wall = time.perf_counter() - self.wall
        self.cpu = ours + ended_seconds() + children_seconds() - self._others
