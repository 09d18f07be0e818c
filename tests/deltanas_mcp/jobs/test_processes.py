"""Processes are told apart, found with all below them, and killed to the last."""

import os
import signal
import subprocess
import sys

from deltanas_mcp.jobs.processes import descendants, identity, kill_tree, open_process
from tests.deltanas_mcp.jobs.conftest import alive, below, until

FORKS = """\
import os, sys, time
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        os.setsid()  # another session, and an orphan soon
        if os.fork():
            os._exit(0)
        time.sleep(600)
print("ready", flush=True)
time.sleep(600)
"""
HEADLESS = """\
import ctypes, os, platform, subprocess, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
subprocess.Popen(["sleep", "600"])
exit_of_a_thread = {"x86_64": 60, "aarch64": 93}[platform.machine()]
print("ready", flush=True)
ctypes.CDLL(None).syscall(exit_of_a_thread, 0)
"""


def test_a_process_is_told_from_one_that_had_its_number() -> None:
    name = identity(os.getpid())
    boot, namespace, pid, started = name.split("/")
    assert int(pid) == os.getpid()
    fd = open_process(name)
    assert fd is not None
    os.close(fd)
    assert open_process("/".join((boot, namespace, pid, str(int(started) - 1)))) is None
    assert open_process("/".join(("another boot", namespace, pid, started))) is None
    assert open_process("/".join((boot, "1", pid, started))) is None
    assert open_process("") is None


def test_a_process_that_has_ended_is_not_there() -> None:
    with subprocess.Popen(["sleep", "600"]) as process:
        name = identity(process.pid)
        process.kill()
    assert open_process(name) is None
    assert identity(process.pid) == ""
    assert kill_tree(name, seconds=1.0)


def test_a_tree_is_killed_with_other_sessions_and_orphans() -> None:
    adopting = (
        "from deltanas_tools.sandbox.prctl import PR_SET_CHILD_SUBREAPER, prctl\n"
        "prctl(PR_SET_CHILD_SUBREAPER, 1)\n" + FORKS
    )
    with subprocess.Popen(
        [sys.executable, "-c", adopting, "5"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        until(lambda: len(descendants(process.pid)) == 5)
        there = below(process.pid)
        os.kill(process.pid, signal.SIGSTOP)
        assert kill_tree(identity(process.pid), seconds=5.0)
        assert process.wait() == -signal.SIGKILL
    assert alive(there) == []


def test_children_of_a_process_whose_first_thread_has_ended_are_found() -> None:
    # So looks, for a moment, any process of several threads that is being killed.
    with subprocess.Popen(
        [sys.executable, "-c", HEADLESS], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        until(lambda: process.pid not in descendants(os.getpid()))
        [child] = descendants(process.pid)
        assert child in descendants(os.getpid())
        os.kill(child, signal.SIGKILL)
        process.kill()
