"""The process that does the work of jobs, under a worker that watches it.

Run as ``python -m deltanas_mcp.jobs.performer FD STORE`` by `worker.Worker`. It may hang, crash or
be killed at any time: it writes no row, and its worker tells what became of it.
"""

import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from pydantic import JsonValue

from deltanas_repo_store.errors import DeltaNasError
from deltanas_tools.sandbox.prctl import PR_SET_PDEATHSIG, prctl

if TYPE_CHECKING:
    from deltanas_mcp.work.works import Works

logger = logging.getLogger(__name__)


class Performer:
    """Performs what its worker asks for, one job after the other."""

    def __init__(self, control: socket.socket, store: Path, opened: ExitStack) -> None:
        self._control = control
        self._store = store
        self._opened = opened
        self._works: Works | None = None
        self._sending = threading.Lock()

    def serve(self) -> None:
        """Perform jobs until the worker hangs up, or says to stop."""
        with self._control.makefile("r", encoding="utf-8") as lines:
            for line in lines:
                asked = json.loads(line)
                _print_to(Path(asked.pop("log")))
                self._tell(self._perform(**asked))

    def _perform(
        self, kind: str, arguments: Mapping[str, JsonValue], device: str
    ) -> dict[str, JsonValue]:
        try:
            from deltanas_mcp.work.works import open_works

            if self._works is None:
                self._works = self._opened.enter_context(open_works(self._store))
            return {
                "result": self._works.perform(
                    kind,  # type: ignore[arg-type]  # the worker checked it
                    arguments,
                    device=device,
                    report=self._report,
                )
            }
        except DeltaNasError as error:
            logger.warning("the job failed: %s", error)
            return {"error": str(error)}
        except Exception as error:
            logger.exception("internal error")
            return {"error": f"internal error ({type(error).__name__}); see the job's log"}

    def _report(self, progress: float, total: float | None, message: str) -> None:
        self._tell({"progress": progress, "total": total, "message": message})

    def _tell(self, words: Mapping[str, JsonValue]) -> None:
        line = json.dumps(words).encode() + b"\n"
        with self._sending:
            self._control.sendall(line)


def _print_to(path: Path) -> None:
    """Have all that this process prints go to the log of a job."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Serve the socket whose number is the first argument."""
    fd, store = int(sys.argv[1]), Path(sys.argv[2])
    # The worker has one thread, so that this means its death.
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    control = socket.socket(fileno=fd)
    control.set_inheritable(False)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    signal.signal(signal.SIGTERM, _stop)
    # While the first job is on its way; what cannot be imported is that job's error.
    try:
        import deltanas_mcp.work.works  # noqa: F401
    except Exception:
        logger.exception("the works cannot be imported")
    try:
        with control, ExitStack() as opened:
            Performer(control, store, opened).serve()
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGTERM) from None


if __name__ == "__main__":
    main()
