"""The parent's side of the sandbox: starts the fork server, sends requests, reads the answers.

What stands between a child and the host is chosen in `isolation`. What remains with all of it:
faults of the kernel, side channels, the names and sizes of files (``stat`` is not Landlock's), and
on a GPU the driver's interface and its memory.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import IO, Self

from deltanas_repo_store.errors import SandboxError
from deltanas_tools.sandbox.isolation import (
    Choice,
    Isolation,
    Launched,
    choose,
    environment,
    launch,
)
from deltanas_tools.sandbox.messages import (
    MAX_MESSAGE_CHARS,
    SOURCE_NAME,
    Completed,
    Entry,
    Failed,
    Limits,
    Watched,
    clean_text,
    encode_frame,
    read_frame,
    shortened,
    split_reply,
)
from deltanas_tools.sandbox.scratch import remove_tree

START_SECONDS = 180.0
"""Longest that importing torch may take; 14 s were seen on a machine under load."""
ANSWER_GRACE_SECONDS = 60.0
"""How much longer than the child's own limit the server may take before it counts as lost."""
STOP_SECONDS = 5.0
MAX_FILES = 253
"""How many descriptors the kernel hands over at a time (SCM_MAX_FD)."""
_CODE = re.compile("[a-z-]{1,40}")
PASSED_ON = ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")
"""The only variables that go through: which GPUs to use, and where the driver's library lies."""


class _ServerLost(Exception):
    """The fork server died or fell silent in the middle of a request."""


@dataclass
class _Server:
    launched: Launched
    control: socket.socket
    errors: IO[bytes]
    """Holds what the server printed; unnamed, gone when closed."""
    scratch: Path

    def stop(self) -> None:
        """End the server and its child. Closing the socket is the request to do so."""
        self.control.close()
        self.launched.end(STOP_SECONDS)
        self.errors.close()
        remove_tree(self.scratch)

    def error_tail(self) -> str:
        self.errors.seek(max(0, self.errors.seek(0, os.SEEK_END) - 2000))
        return clean_text(self.errors.read().decode(errors="replace")).strip()


OnMark = Callable[[int], None]


@contextmanager
def _gpu_memory(server: _Server, cuda: bool) -> Iterator[Callable[[], int]]:
    """Watch the GPU memory of a server's children; the peak is there when the block has ended."""
    if not cuda:
        yield lambda: 0
        return
    from deltanas_tools.sandbox.gpu_memory import watched  # loads NVIDIA's library

    with watched(server.launched.process.pid) as watch:
        yield lambda: watch.peak_bytes


class Sandbox:
    """Runs model-written code in forks of a warm server, one at a time.

    The server starts with the first request (about 4 CPU seconds) and stays until `close`. An
    exception in the middle of `run`, `KeyboardInterrupt` too, ends child and server at once; the
    next request starts a new server. Threads wait for each other.
    """

    def __init__(self, back_end: Choice = "auto", *, cuda: bool = False) -> None:
        self._back_end: Choice = back_end
        self._cuda = cuda
        self._server: _Server | None = None
        self._closing = False
        self._lock = Lock()

    @cached_property
    def _isolation(self) -> Isolation:
        return choose(self._back_end, cuda=self._cuda)

    @property
    def isolation(self) -> str:
        """What stands between a candidate and the host; recorded with each measurement.

        Raises:
            SandboxError: the back end asked for does not hold here.
        """
        return self._isolation.name

    def __enter__(self) -> Self:
        """Return the sandbox; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the sandbox."""
        self.close()

    def close(self) -> None:
        """End the server, if there is one. Leaves no process and no folder behind.

        A candidate that another thread waits for is ended; that thread gets a `SandboxError`.
        """
        self._closing = True
        server = self._server
        if server is not None:
            with suppress(OSError):  # closed by the other thread at this moment
                server.control.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._drop()
            self._closing = False

    def run(
        self,
        entry: Entry,
        payload: Mapping[str, object],
        *,
        limits: Limits,
        files: Mapping[str, int] | None = None,
        on_mark: OnMark = lambda _: None,
    ) -> Completed | Failed:
        """Run ``entry`` on ``payload`` in a fresh child.

        ``on_mark`` is told how many phases have ended, as they end, by the child's word.

        ``payload`` is JSON and holds the candidate's source; ``files`` are descriptors by name,
        which the child gets and nothing else of the file system. A server that is lost is replaced
        once; a candidate that is there when it is lost again is to blame for it.

        Raises:
            SandboxError: the server cannot be started, nothing isolates it here, or the sandbox
                was closed.
            ValueError: there are more than `MAX_FILES` files.
        """
        files = files or {}
        if len(files) > MAX_FILES:
            raise ValueError(f"a child gets at most {MAX_FILES} files, not {len(files)}")
        request = {
            "entry": entry,
            "payload": dict(payload),
            "limits": limits.model_dump(),
            "files": list(files),
        }
        frame = encode_frame(request)
        with self._lock:
            for _ in range(2):
                try:
                    return self._ask(frame, list(files.values()), limits, on_mark)
                except _ServerLost as error:
                    self._drop()
                    if self._closing:
                        raise SandboxError("the sandbox was closed meanwhile") from error
                except BaseException:
                    self._drop()
                    raise
        message = "the sandbox's fork server was lost twice while this candidate ran"
        return Failed("crash", message, 0.0, 0.0, 0, "")

    def _ask(
        self, frame: bytes, fds: list[int], limits: Limits, on_mark: OnMark
    ) -> Completed | Failed:
        if self._server is None:
            self._server = _start(self._isolation)
        if self._closing:  # while it started, so that nobody could end it
            raise _ServerLost
        server = self._server
        server.control.settimeout(limits.wall_seconds + ANSWER_GRACE_SECONDS)
        with _gpu_memory(server, self._cuda) as peak_gpu_bytes:
            try:
                server.control.sendall(frame)
                if fds:
                    socket.send_fds(server.control, [b"F"], fds)
                header, blob = read_frame(server.control)
                while "marks" in header and "ended" not in header:
                    on_mark(int(str(header["marks"])))
                    header, blob = read_frame(server.control)
            except (EOFError, OSError) as error:
                raise _ServerLost from error
        watched = Watched.model_validate(header)
        outcome = _judge(watched, blob[: watched.output_size], blob[watched.output_size :], limits)
        return replace(outcome, peak_gpu_bytes=peak_gpu_bytes())

    def _drop(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            server.stop()


def _start(isolation: Isolation) -> _Server:
    """Start a fork server and wait until it is warm.

    Raises:
        SandboxError: it does not come up.
    """
    with ExitStack() as on_failure:
        scratch = Path(tempfile.mkdtemp(prefix="deltanas-sandbox-"))
        on_failure.callback(remove_tree, scratch)
        errors = on_failure.enter_context(tempfile.TemporaryFile())
        ours, theirs = socket.socketpair()
        on_failure.enter_context(ours)
        with theirs:
            server = _launch(isolation, ours, theirs, errors, scratch)
        on_failure.callback(server.launched.end)
        ours.settimeout(START_SECONDS)
        try:
            ours.sendall(isolation.first_frame())
            read_frame(ours)
        except (EOFError, OSError) as error:
            raise SandboxError(_why_not_started(server, error)) from error
        on_failure.pop_all()
    return server


def _launch(
    isolation: Isolation,
    ours: socket.socket,
    theirs: socket.socket,
    errors: IO[bytes],
    scratch: Path,
) -> _Server:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    try:
        launched = launch(
            isolation,
            "deltanas_tools.sandbox.server",
            theirs,
            stdout=errors,
            stderr=errors,
            cwd=scratch,
            env=environment(isolation, scratch, passed_on),
        )
    except OSError as error:
        raise SandboxError(f"the sandbox cannot start {sys.executable}: {error}") from error
    return _Server(launched, ours, errors, scratch)


def _why_not_started(server: _Server, error: Exception) -> str:
    process = server.launched.process
    if isinstance(error, TimeoutError):
        how = f"was not ready after {START_SECONDS:.0f} s"
    else:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        how = f"ended while starting, with exit code {process.returncode}"
    return (
        f"the sandbox's fork server {how}; check that "
        f"`{sys.executable} -P -c 'import torch, torchvision, deltanas_tools'` works. "
        f"It printed: {server.error_tail() or 'nothing'}"
    )


def _judge(watched: Watched, output: bytes, reply: bytes, limits: Limits) -> Completed | Failed:
    """Turn what the server saw into a result or a failure."""
    printed = clean_text(output.decode(errors="replace"))
    usage = (watched.seconds, watched.cpu_seconds, watched.peak_memory_bytes)

    def failed(code: str, message: str) -> Failed:
        return Failed(code, shortened(clean_text(message), MAX_MESSAGE_CHARS), *usage, printed)

    match watched.ended:
        case "timeout":
            return failed("timeout", f"not finished after {limits.wall_seconds:g} s of wall time")
        case "flood":
            return failed("flood", f"printed more than {limits.flood_bytes} bytes")
        case "memory":
            most = f"{(limits.resident_bytes or 0) // 2**20} MiB"
            return failed("out-of-memory", f"held more than {most} of the host's memory")
        case "oversized":
            expected = f"expected a result of at most {limits.result_bytes} bytes"
            return failed("bad-result", f"{expected}, found a larger one announced")
        case "exited":
            code, message = _exit(watched.exit_code)
            return failed(code, message + _crash_site(printed))
    try:
        header, blob = split_reply(reply)
    except ValueError as error:
        return failed("bad-result", f"the result cannot be read: {error}")
    match header:
        case {"result": dict(payload), **rest} if not rest:
            return Completed(payload, blob, *usage, printed, watched.marks)
        case {"failed": {"code": str(code), "message": str(message)}, **rest} if not rest:
            if _CODE.fullmatch(code):
                return failed(code, message)
    return failed("bad-result", "the result has another form than the sandbox's own code gives it")


def _crash_site(printed: str) -> str:
    """Return where in the candidate a crash was, if faulthandler printed it."""
    match = re.search(rf'File "{re.escape(SOURCE_NAME)}", line (\d+) in (\w+)', printed)
    return f" ({SOURCE_NAME} line {match[1]}, in {match[2]})" if match else ""


def _exit(exit_code: int) -> tuple[str, str]:
    """Name the code and the message of a child that ended before it had a complete result."""
    if exit_code >= 0:
        return "crash", f"the process ended itself with exit code {exit_code}, without a result"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    if name == "SIGKILL":
        return "out-of-memory", "killed by SIGKILL, as the kernel does when memory runs out"
    if name == "SIGXCPU":
        return "timeout", "used more CPU time than the limit on wall time allows"
    return "crash", f"the process was killed by {name}"
