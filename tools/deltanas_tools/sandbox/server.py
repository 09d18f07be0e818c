"""The fork server: imports torch once, then forks a child per request and watches it.

Run as ``python -m deltanas_tools.sandbox.server FD`` by `host.Sandbox`. One thread, one child at a
time. It never runs a parallel operation and never asks CUDA anything: both break its children.
The end of the control socket, however it comes, ends the child and the server.
"""

import gc
import importlib
import math
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from deltanas_tools.sandbox.child import EntryFunction, Files, run_child
from deltanas_tools.sandbox.confine import Orders, Walls, prepare
from deltanas_tools.sandbox.messages import (
    MARK,
    MAX_MARKS,
    MAX_REPLY_HEADER_BYTES,
    PREFIX,
    Limits,
    Mark,
    Watched,
    encode_frame,
    read_frame,
)
from deltanas_tools.sandbox.prctl import PR_SET_CHILD_SUBREAPER, prctl

ENTRIES = {
    "build": "deltanas_tools.checks.inside:build",
    "train": "deltanas_tools.train_one_epoch.inside:train",
    "predict": "deltanas_tools.train_one_epoch.inside:predict",
}
WARM_MODULES = ("torch", "torch._dynamo", "torch.utils._python_dispatch", "torchvision")
"""Imported before the first fork. An optimiser's first step would import torch._dynamo: 1 CPU s."""
CHUNK = 2**16

LOOK_SECONDS = 0.1
"""How often the resident memory of a child is looked at, where that is limited."""

Ended = Literal["done", "exited", "timeout", "flood", "oversized", "memory"]


class ParentGone(Exception):
    """The control socket ended, or brought something in the middle of a request."""


@dataclass
class Child:
    """A running child and what it has written so far."""

    pid: int
    result_fd: int
    output_fd: int
    limits: Limits
    started: float = field(default_factory=time.monotonic)
    result: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    marks: list[Mark] = field(default_factory=list)
    printed_bytes: int = 0

    def take(self, fd: int) -> bool:
        """Read what is there now; False at the end of the pipe or with nothing to read."""
        try:
            chunk = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if fd == self.result_fd:
            self._take_result(chunk)
        else:
            self.printed_bytes += len(chunk)
            self.tail += chunk
            # Cut only now and then: each cut moves the tail.
            if len(self.tail) > 2 * self.limits.output_bytes + CHUNK:
                del self.tail[: len(self.tail) - self.limits.output_bytes]
        return bool(chunk)

    def _take_result(self, chunk: bytes) -> None:
        frame = chunk if self.result else chunk.lstrip(MARK)
        for _ in range(len(chunk) - len(frame)):
            seconds = time.monotonic() - self.started
            self.marks.append(Mark(seconds=seconds, cpu_seconds=_cpu_seconds(self.pid)))
        self.result += frame

    def ended(self) -> Ended | None:
        """Judge by what was written; None while it may go on."""
        if len(self.marks) > MAX_MARKS:
            return "oversized"
        if self.printed_bytes > self.limits.flood_bytes:
            return "flood"
        if len(self.result) < PREFIX.size:
            return None
        header_size, blob_size = PREFIX.unpack(self.result[: PREFIX.size])
        if header_size > MAX_REPLY_HEADER_BYTES or blob_size > self.limits.result_bytes:
            return "oversized"
        return "done" if len(self.result) >= PREFIX.size + header_size + blob_size else None

    def drain(self) -> None:
        """Read what is left in the pipes, as far as the limits go."""
        while self.ended() is None and self.take(self.result_fd):
            pass
        while self.ended() in (None, "done") and self.take(self.output_fd):
            pass


def main() -> None:
    """Serve the socket whose number is the only argument until its other end closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    orders, program = read_frame(control)
    for module in WARM_MODULES:
        importlib.import_module(module)
    entries = {name: _load_entry(path) for name, path in ENTRIES.items()}
    walls = prepare(Orders.model_validate(orders), program)
    _become_subreaper()
    alarm_fd = _signal_child_ends()
    gc.collect()
    gc.freeze()  # the collector would otherwise touch, and so copy, every shared page
    with suppress(EOFError, ConnectionError, ParentGone):
        control.sendall(encode_frame({"ready": True}))
        while True:
            _serve_one(control, entries, walls, alarm_fd)


def _load_entry(path: str) -> EntryFunction:
    module, _, name = path.partition(":")
    function: EntryFunction = getattr(importlib.import_module(module), name)
    return function


def _become_subreaper() -> None:
    """Let orphans of a child, its daemons too, become ours: only so can they be found and ended."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def _signal_child_ends() -> int:
    """Return a descriptor that becomes readable when a child ends."""
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    return readable


def _serve_one(
    control: socket.socket, entries: dict[str, EntryFunction], walls: Walls, alarm_fd: int
) -> None:
    request, _ = read_frame(control)
    limits = Limits.model_validate(request["limits"])
    payload, names = request["payload"], request["files"]
    assert isinstance(payload, dict)
    assert isinstance(names, list)
    files = dict(zip(names, _receive_files(control, len(names)), strict=True))
    try:
        child = _fork(entries[str(request["entry"])], payload, files, limits, walls)
    finally:
        for fd in files.values():
            os.close(fd)
    try:
        ended = _watch(control, child, alarm_fd)
    finally:
        seconds = time.monotonic() - child.started
        exit_code, cpu_seconds, peak_memory_bytes = _end(child)
    output = bytes(child.tail[max(0, len(child.tail) - limits.output_bytes) :])
    watched = Watched(
        ended=ended,
        exit_code=exit_code,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_memory_bytes=peak_memory_bytes,
        marks=tuple(child.marks[:MAX_MARKS]),
        output_size=len(output),
    )
    control.sendall(encode_frame(watched.model_dump(), output + bytes(child.result)))


def _receive_files(control: socket.socket, count: int) -> list[int]:
    """Receive what `host` sent after the frame.

    Raises:
        EOFError: the parent is gone.
    """
    if count == 0:
        return []
    data, fds, _, _ = socket.recv_fds(control, 1, count)
    if not data:
        raise EOFError
    return fds


def _fork(
    entry: EntryFunction,
    payload: dict[str, object],
    files: Files,
    limits: Limits,
    walls: Walls,
) -> Child:
    result_fd, child_result_fd = os.pipe()
    output_fd, child_output_fd = os.pipe()
    server_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        run_child(
            entry,
            payload,
            files,
            limits=limits,
            walls=walls,
            server_pid=server_pid,
            result_fd=child_result_fd,
            output_fd=child_output_fd,
        )
    os.close(child_result_fd)
    os.close(child_output_fd)
    os.set_blocking(result_fd, False)
    os.set_blocking(output_fd, False)
    return Child(pid, result_fd, output_fd, limits)


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of a child that is not yet reaped: `clock_getcpuclockid` of glibc."""
    return time.clock_gettime((~pid << 3) | 2)


def _watch(control: socket.socket, child: Child, alarm_fd: int) -> Ended:
    """Read what the child writes until it has ended or has to end.

    Raises:
        ParentGone: nobody waits for the result any more.
    """
    poller = select.poll()
    for fd in (control.fileno(), alarm_fd, child.result_fd, child.output_fd):
        poller.register(fd, select.POLLIN)
    announced, most = 0, child.limits.resident_bytes
    if most is not None:
        most += _resident_bytes(os.getpid())
    deadline = child.started + child.limits.wall_seconds
    while (left := deadline - time.monotonic()) > 0:
        longest = 3600.0 if most is None else LOOK_SECONDS
        for fd, _ in poller.poll(math.ceil(min(left, longest) * 1000)):
            if fd == control.fileno():
                raise ParentGone
            if fd == alarm_fd:
                os.read(alarm_fd, CHUNK)
            elif not child.take(fd):
                poller.unregister(fd)  # its end: the candidate closed it
        if len(child.marks) > announced:
            announced = len(child.marks)
            control.sendall(encode_frame({"marks": announced}))
        ended = child.ended()
        if ended is None and _has_exited(child.pid):
            child.drain()
            ended = child.ended() or "exited"
        if ended == "done":
            child.drain()
        if ended is not None:
            return ended
        if most is not None and _resident_bytes(child.pid) > most:
            return "memory"
    return "timeout"


def _resident_bytes(pid: int) -> int:
    """Return the resident memory of a process; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _has_exited(pid: int) -> bool:
    # WNOWAIT leaves the zombie: until it is reaped, its number cannot become somebody else's.
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _end(child: Child) -> tuple[int, float, int]:
    """End the child with all its descendants; return exit code, CPU seconds and peak memory."""
    # The group does not exist yet where the child was stopped before its setsid.
    for kill in (os.killpg, os.kill):
        with suppress(ProcessLookupError):
            kill(child.pid, signal.SIGKILL)
    _, status, usage = os.wait4(child.pid, 0)
    cpu_seconds = usage.ru_utime + usage.ru_stime + _end_orphans()
    os.close(child.result_fd)
    os.close(child.output_fd)
    return os.waitstatus_to_exitcode(status), cpu_seconds, usage.ru_maxrss * 1024


def _end_orphans() -> float:
    """End whatever the child left behind, round by round, and return the CPU seconds of it.

    The rounds are limited: without a limit on processes a fork bomb can outrun any killer.
    """
    cpu_seconds = 0.0
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    for _ in range(1000):
        # The file is missing in kernels built without CONFIG_PROC_CHILDREN.
        pids = children.read_text().split() if children.exists() else []
        if not pids:
            break
        for pid in map(int, pids):
            os.kill(pid, signal.SIGKILL)
            _, _, usage = os.wait4(pid, 0)
            cpu_seconds += usage.ru_utime + usage.ru_stime
    return cpu_seconds


if __name__ == "__main__":
    main()
    os._exit(0)  # to take torch down in good order would take a second
