"""Kills a write, and the git processes it started, before a chosen system call.

Run as a module it is a process that takes requests, one JSON object a line, and forks a writer for
each. It traces the writer and all its children with ptrace(2), counts the calls that can change
anything on the disk, and sends SIGKILL before the one that was asked for. What is on the disk
changes with these calls alone, so that all moments between them are the same moment.
"""

import ctypes
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from deltanas_repo_store.bulk import import_baselines
from deltanas_repo_store.records import Architecture
from deltanas_repo_store.reported import NewBaseline, Reported, ReportedTrial
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.store import Store
from tests.records_for_tests import CHILD, evaluation, kept, pending, rejected

_TRACEME, _SYSCALL, _SETOPTIONS, _GET_SYSCALL_INFO = 0, 24, 0x4200, 0x420E
_OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000
"""Mark system calls; follow fork, vfork, clone and exec; nobody outlives the tracer."""
_ANY_CHILD = 0x40000000
_ENTRY = 1
_CREATES = os.O_CREAT | os.O_TRUNC
_OPENAT = 257
_CHANGING = {
    1: "write", 18: "pwrite64", 20: "writev", 73: "flock", 74: "fsync", 75: "fdatasync",
    76: "truncate", 77: "ftruncate", 82: "rename", 83: "mkdir", 84: "rmdir", 86: "link",
    87: "unlink", 88: "symlink", 90: "chmod", 91: "fchmod", 132: "utime", 235: "utimes",
    258: "mkdirat", 263: "unlinkat", 264: "renameat", 265: "linkat", 268: "fchmodat",
    280: "utimensat", 285: "fallocate", 296: "pwritev", 316: "renameat2",
}  # fmt: skip
"""Numbers on x86-64; elsewhere every call counts."""


class _SyscallInfo(ctypes.Structure):
    _fields_ = (
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("instruction", ctypes.c_uint64),
        ("stack", ctypes.c_uint64),
        ("number", ctypes.c_uint64),
        ("arguments", ctypes.c_uint64 * 6),
        ("rest", ctypes.c_uint64 * 4),
    )


def _ptrace(request: int, pid: int, address: int = 0, data: Any = 0) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, pid, address, data) == -1:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


# The writes


def _candidate(store: Store, said: Callable[[], None], end: Callable[..., Any]) -> None:
    begun = pending(store.resolve("plain"), index=5)
    store.reserve(begun)
    said()
    store.finish(end(begun))
    said()


def keep(store: Store, said: Callable[[], None]) -> None:
    """Reserve a candidate and keep it."""
    _candidate(store, said, kept)


def finish(store: Store, said: Callable[[], None]) -> None:
    """Keep a candidate that has long been pending, so that its ref is packed."""
    store.finish(kept(pending(store.resolve("plain"), index=3)))
    said()


def reject(store: Store, said: Callable[[], None]) -> None:
    """Reserve a candidate and reject it."""
    _candidate(store, said, rejected)


def evaluate(store: Store, said: Callable[[], None]) -> None:
    """Measure a baseline that has a record, twice."""
    for seed in (7, 8):
        store.add_evaluation(store.resolve("plain"), evaluation(seed=seed))
        said()


def begin(store: Store, said: Callable[[], None]) -> None:
    """Begin a run."""
    store.begin_run("later", {"seed": 2})
    said()


def add_baseline(store: Store, said: Callable[[], None]) -> None:
    """Import a baseline."""
    store.import_baseline("late", CHILD)
    said()


def networks() -> list[NewBaseline]:
    """Three networks, with what is reported of each."""
    trial = ReportedTrial(
        dataset="digits",
        epochs=1,
        transform="norm",
        accuracy=0.5,
        seconds=1.0,
        hparams={},
        id="1",
    )
    return [
        NewBaseline(
            name=f"their{number}",
            architecture=Architecture(source=f"x = {number}\n", hparams={}),
            aliases=(f"other{number}",),
            reported=(Reported(source="lemur", package="p", network="n", trials=(trial,)),),
        )
        for number in range(3)
    ]


def bulk(store: Store, said: Callable[[], None]) -> None:
    """Import three networks at once."""
    import_baselines(store, networks())
    said()


def maintain(store: Store, said: Callable[[], None]) -> None:
    """Pack all that there is."""
    assert isinstance(store.repository, GitRepository)
    store.repository.maintain()
    said()


WRITES = {
    each.__name__: each
    for each in (keep, finish, reject, evaluate, begin, add_baseline, bulk, maintain)
}


# The process that traces


def _write(name: str, path: Path, acknowledged: int) -> None:
    _ptrace(_TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)
    store = Store(GitRepository(path))

    def said() -> None:
        os.write(acknowledged, b".")

    WRITES[name](store, said)
    store.close()


def _changes_something(pid: int) -> bool:
    """Say whether a process that stands at a system call is about to change the disk."""
    info = _SyscallInfo()
    _ptrace(_GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
    if info.op != _ENTRY:
        return False
    if platform.machine() != "x86_64":
        return True
    creates = info.number == _OPENAT and info.arguments[2] & _CREATES
    return bool(creates) or info.number in _CHANGING


def _kill(pids: set[int]) -> None:
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _trace(writer: int, at: int, *, children_too: bool) -> int:
    """Let the writer run, and kill it before its ``at``-th change; return how many there were."""
    os.waitpid(writer, 0)
    _ptrace(_SETOPTIONS, writer, 0, _OPTIONS)
    _ptrace(_SYSCALL, writer)
    alive, changes, doomed = {writer}, 0, False
    while alive:
        pid, status = os.waitpid(-1, _ANY_CHILD)
        if not os.WIFSTOPPED(status):
            alive.discard(pid)
            continue
        new = pid not in alive
        alive.add(pid)
        stop, deliver = os.WSTOPSIG(status), 0
        if stop == signal.SIGTRAP | 0x80:
            changes += _changes_something(pid)
            if at and changes == at and not doomed:
                doomed = True
                _kill(alive if children_too else {writer})
        elif status >> 16 == 0 and not (new and stop == signal.SIGSTOP):
            deliver = stop
        if doomed and children_too:
            _kill({pid})
        try:
            _ptrace(_SYSCALL, pid, 0, deliver)
        except ProcessLookupError:
            continue
    return changes


def _serve() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        reading, writing = os.pipe()
        writer = os.fork()
        if writer == 0:
            os.close(reading)
            try:
                _write(request["write"], Path(request["path"]), writing)
            except BaseException as error:
                sys.stderr.write(f"{error!r}\n")
                os._exit(1)
            os._exit(0)
        os.close(writing)
        changes = _trace(writer, request["at"], children_too=request["children_too"])
        with os.fdopen(reading, "rb") as acknowledged:
            reply = {"changes": changes, "acknowledged": len(acknowledged.read())}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


class Killer:
    """The tracing process, as a test sees it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.killing_for_tests"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )

    def run(
        self, write: str, path: Path, *, at: int = 0, children_too: bool = True
    ) -> tuple[int, int]:
        """Do a write, killed before its ``at``-th change; 0 lets it live.

        Returns how many changes it began, and how many of its steps it acknowledged.

        Raises:
            PermissionError: this machine does not let a process trace another.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        request = {"write": write, "path": str(path), "at": at, "children_too": children_too}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise PermissionError(self._process.stderr.read())
        reply = json.loads(answer)
        return reply["changes"], reply["acknowledged"]

    def __enter__(self) -> Self:
        """Return the killer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the tracing process."""
        self._process.communicate(timeout=60)


if __name__ == "__main__":
    _serve()
