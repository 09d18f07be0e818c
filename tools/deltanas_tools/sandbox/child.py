"""The forked child: strips itself, then runs one entry on one candidate and writes one frame.

Order matters: everything that must hold for the candidate is done before its first byte is read.
"""

import faulthandler
import fcntl
import io
import math
import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

from deltanas_tools.sandbox.candidate import Fault, describe, is_out_of_memory
from deltanas_tools.sandbox.confine import Walls
from deltanas_tools.sandbox.messages import MARK, MAX_MESSAGE_CHARS, Limits, encode_frame
from deltanas_tools.sandbox.prctl import PR_SET_PDEATHSIG, prctl

Reply = tuple[dict[str, object], bytes]
Files = Mapping[str, int]
"""Descriptors that the parent sent along: what a child may read or fill, whatever the walls."""
EntryFunction = Callable[[Mapping[str, object], Files], Reply]

RESULT_FD = 3
MAX_DESCRIPTORS = 1024
MAX_PROCESSES = 256
"""Threads, since processes are refused, of a user that only our candidates have."""
CPU_GRACE_SECONDS = 5


def mark() -> None:
    """Tell the server that a phase has ended; it notes the time."""
    os.write(RESULT_FD, MARK)


def run_child(
    entry: EntryFunction,
    payload: Mapping[str, object],
    files: Files,
    *,
    limits: Limits,
    walls: Walls,
    server_pid: int,
    result_fd: int,
    output_fd: int,
) -> NoReturn:
    """Become the child of a request. Never returns into the server's code."""
    try:
        files = _strip(server_pid, result_fd, output_fd, files, walls)
        _limit(limits, walls)
        walls.raise_them()
        frame = _answer(entry, payload, files)
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        _write(frame)
    except BaseException:  # must not unwind into the server's loop
        traceback.print_exc()
    finally:
        os._exit(1)  # a result is known by its bytes, never by an exit status


def _strip(
    server_pid: int, result_fd: int, output_fd: int, files: Files, walls: Walls
) -> dict[str, int]:
    """Cut what ties the child to the server; return the files' new descriptors."""
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server_pid:  # the server died before the line above
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    null = os.open(os.devnull, os.O_RDONLY)
    # All first move out of the way of 0..3, then to their places.
    result_fd, output_fd = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (result_fd, output_fd))
    moved = {name: fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for name, fd in files.items()}
    if walls.orders.confined:
        walls.ruleset_fd = fcntl.fcntl(walls.ruleset_fd, fcntl.F_DUPFD, 10)
    for source, target in ((null, 0), (output_fd, 1), (output_fd, 2), (result_fd, RESULT_FD)):
        os.dup2(source, target)
    _close_all_but({0, 1, 2, RESULT_FD, walls.ruleset_fd, *moved.values()})
    # Line-buffered, so that what was printed before a crash is there.
    sys.stdout = _text_stream(1)
    sys.stderr = _text_stream(2)
    faulthandler.enable(file=2)
    os.umask(0o077)
    random.seed()
    return moved


def _close_all_but(kept: set[int]) -> None:
    bounds = [-1, *sorted(kept - {-1}), os.sysconf("SC_OPEN_MAX")]
    for low, high in pairwise(bounds):
        if low + 1 < high:  # Python takes an empty range that starts at 0 for all there are
            os.closerange(low + 1, high)


def _text_stream(fd: int) -> io.TextIOWrapper:
    raw = open(fd, "wb", buffering=0, closefd=False)  # noqa: SIM115 (lives as long as the child)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", line_buffering=True)


def _limit(limits: Limits, walls: Walls) -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")  # rather this one than the server
    if limits.memory_bytes is not None:
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        _set_limit(resource.RLIMIT_AS, mapped + limits.memory_bytes)
    _set_limit(resource.RLIMIT_CORE, 0)
    # What the parent sent to be filled is all that a candidate can write to.
    _set_limit(resource.RLIMIT_FSIZE, limits.file_bytes)
    _set_limit(resource.RLIMIT_NOFILE, MAX_DESCRIPTORS)
    if walls.orders.uid is not None:
        _set_limit(resource.RLIMIT_NPROC, MAX_PROCESSES)
    # A backstop in case nobody is left to watch the clock; several threads burn it faster.
    cpu = math.ceil(limits.wall_seconds) * (os.cpu_count() or 1) + CPU_GRACE_SECONDS
    _set_limit(resource.RLIMIT_CPU, cpu)


def _set_limit(which: int, value: int) -> None:
    _, hard = resource.getrlimit(which)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(which, (value, value))


def _answer(entry: EntryFunction, payload: Mapping[str, object], files: Files) -> bytes:
    """Run the entry; whatever it raises becomes a reply that names a code."""
    try:
        result, blob = entry(payload, files)
        return encode_frame({"result": result}, blob)
    except Fault as fault:
        code, message = fault.code, str(fault)
    except BaseException as error:  # the worker's boundary: nothing may get past it
        code = "out-of-memory" if is_out_of_memory(error) else "error"
        message = describe(error, str(payload.get("source", "")))
    return encode_frame({"failed": {"code": code, "message": message[:MAX_MESSAGE_CHARS]}})


def _write(frame: bytes) -> None:
    view = memoryview(frame)
    while view:
        view = view[os.write(RESULT_FD, view) :]
