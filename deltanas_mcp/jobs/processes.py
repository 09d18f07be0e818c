"""Processes of this machine: told apart even where numbers are used again, and killed as trees."""

import os
import select
import signal
import time
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
ROUND_SECONDS = 0.01
"""Between two looks at a tree that is being killed: a process may have forked just before."""


def identity(pid: int) -> str:
    """Return what no other process has had or will have; empty where there is no such process.

    It is of the boot, of the namespace of process numbers, and of the moment of its start.
    """
    try:
        started = _stat(pid)[19]
    except OSError:
        return ""
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}/{pid}/{started}"


def open_process(name: str) -> int | None:
    """Return a pidfd of the process with this identity; None where it is gone, or elsewhere."""
    pid = int(name.split("/")[2]) if name else 0
    if not pid:
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if identity(pid) != name:
        os.close(fd)
        return None
    return fd


def descendants(pid: int) -> list[int]:
    """Return all processes below ``pid`` that have not ended, parents first."""
    children: dict[int, list[int]] = {}
    ended: set[int] = set()
    for name in os.listdir(_PROC):
        if name.isdigit():
            with suppress(OSError):  # it has gone since
                facts = _stat(int(name))
                children.setdefault(int(facts[1]), []).append(int(name))
                if facts[0] in "ZX":
                    ended.add(int(name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        # One that has ended counts as a parent: where a thread of it lives on, so do its children.
        below = children.get(waiting.pop(0), [])
        found += below
        waiting += below
    return [each for each in found if each not in ended]


def kill_below(pid: int, *, seconds: float) -> bool:
    """Kill all processes below ``pid``; says whether there are none left.

    Where ``pid`` adopts the orphans below it, none can get away.
    """
    deadline = time.monotonic() + seconds
    # A look takes a while, and may miss what is forked meanwhile; two in a row do not.
    looks = 2
    while looks:
        alive = descendants(pid)
        for each in alive:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(each, signal.SIGKILL)
        if time.monotonic() > deadline:
            return not alive
        looks = 2 if alive else looks - 1
        time.sleep(ROUND_SECONDS)
    return True


def kill_tree(name: str, *, seconds: float) -> bool:
    """Kill the process of this identity and all below it; says whether it is gone."""
    fd = open_process(name)
    if fd is None:
        return True
    try:
        # From below: while it lives, it adopts the orphans, and they are found.
        kill_below(int(name.split("/")[2]), seconds=seconds / 2)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        return bool(select.select([fd], [], [], seconds / 2)[0])
    finally:
        os.close(fd)


def reap(spare: int | None = None) -> None:
    """Let go of children that have ended, but for the one that somebody else waits for."""
    with suppress(ChildProcessError):
        while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if ended.si_pid == spare:
                return
            os.waitpid(ended.si_pid, 0)


def _stat(pid: int) -> list[str]:
    # The second field is the program's name in parentheses, which may hold anything.
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
