"""GPU memory of a sandbox's processes, as NVIDIA's management library (NVML) sees it from outside.

Without that library or a GPU there is nothing to see. In some containers the driver names
processes by numbers of another namespace; then nothing is found either.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import pynvml

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 0.05
GONE_SECONDS = 0.25
"""After the end of a process, how long the driver may take to free what it held."""


class Watch:
    """Notes the highest sum of what a process and its descendants hold, until it is stopped."""

    def __init__(self, root_pid: int) -> None:
        self.peak_bytes = 0
        self._root_pid = root_pid
        self._seen: set[int] = set()
        self._stopped = Event()
        self._thread = Thread(target=self._look, name="gpu-memory", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more, and log where a process that has ended still holds memory."""
        self._stopped.set()
        self._thread.join()
        deadline = time.monotonic() + GONE_SECONDS
        while left := self.left_behind():
            if time.monotonic() > deadline:
                logger.warning("GPU memory of ended processes is not free", extra={"bytes": left})
                return
            time.sleep(INTERVAL_SECONDS / 10)

    def left_behind(self) -> dict[int, int]:
        """Return the bytes of processes that were seen and have ended, by their number."""
        ended = self._seen - _descendants(self._root_pid)
        return {pid: held for pid, held in by_process().items() if pid in ended}

    def _look(self) -> None:
        while not self._stopped.wait(INTERVAL_SECONDS):
            held = by_process()
            if held:
                ours = _descendants(self._root_pid) & held.keys()
                self._seen |= ours
                self.peak_bytes = max(self.peak_bytes, sum(held[pid] for pid in ours))


@contextmanager
def watched(root_pid: int) -> Iterator[Watch]:
    """Watch a process and its descendants while the block runs."""
    watch = Watch(root_pid)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


def by_process() -> Mapping[int, int]:
    """Return the bytes that each process holds on all GPUs, by its number; empty without NVML."""
    held: dict[int, int] = {}
    try:
        pynvml.nvmlInit()
        for index in range(pynvml.nvmlDeviceGetCount()):
            device = pynvml.nvmlDeviceGetHandleByIndex(index)
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses(device):
                held[process.pid] = held.get(process.pid, 0) + (process.usedGpuMemory or 0)
    except pynvml.NVMLError:
        return {}
    return held


def name_of_gpu(device: str) -> str:
    """Return the name of the GPU that ``cuda`` or ``cuda:1`` stands for; empty without NVML."""
    index = int(device.partition(":")[2] or 0)
    try:
        pynvml.nvmlInit()
        name = pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(index))
    except pynvml.NVMLError:
        return ""
    return str(name)


def _descendants(pid: int) -> set[int]:
    """Return the numbers of the processes below ``pid``."""
    found: set[int] = set()
    todo = [pid]
    while todo:
        for children in Path(f"/proc/{todo.pop()}/task").glob("*/children"):
            try:
                pids = [int(each) for each in children.read_text().split()]
            except OSError:  # ended while we were looking
                continue
            found.update(pids)
            todo += pids
    return found
