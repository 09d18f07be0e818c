"""The worker of a store's device: takes jobs one after the other, and keeps their rows truthful.

Run as ``python -m deltanas_mcp.jobs.worker STORE DEVICE FD IDLE_SECONDS`` by `tending`, with the
lock of its role in FD. It does no work itself: that is in a process below it, which may hang, crash
or be killed, and which it ends with all that it started.
"""

import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from deltanas_mcp.folders import cache_folder
from deltanas_mcp.jobs.locks import DeviceLock, FileLock
from deltanas_mcp.jobs.performing import Performing
from deltanas_mcp.jobs.processes import reap
from deltanas_mcp.jobs.records import Job
from deltanas_mcp.jobs.rows import Rows, StoreGone, Words
from deltanas_tools.sandbox.prctl import PR_SET_CHILD_SUBREAPER, prctl

POLL_SECONDS = 0.1
"""How often it looks whether a job came, is to be cancelled, or the store is gone."""
WRITE_SECONDS = 0.2
"""Between two writes of a job's progress, at least."""
YIELD_SECONDS = 3 * POLL_SECONDS
"""How long it leaves the device to another store's worker that waits for it."""
_AGAIN = (
    "see its log, and start it again. What was finished is in the store; a candidate that was not "
    "is still pending"
)


class Told(Exception):
    """This worker is to end."""


class Worker:
    """Has the role of one device of one store."""

    def __init__(self, rows: Rows, idle_seconds: float) -> None:
        self._rows = rows
        self._lock = DeviceLock(cache_folder() / "devices", rows.device)
        self._idle_seconds = idle_seconds
        self._performing: Performing | None = None
        self._is_told = False

    def tell(self, number: int, frame: FrameType | None) -> None:
        """Have it end soon; a signal's handler."""
        self._is_told = True

    def serve(self, role: FileLock) -> None:
        """Perform jobs until there were none for a while, or it is told to end."""
        idle_since = time.monotonic()
        try:
            while True:
                self._look()
                if self._take_next():
                    idle_since = time.monotonic()
                elif time.monotonic() - idle_since < self._idle_seconds:
                    time.sleep(POLL_SECONDS)
                elif self._rows.retire(role):
                    return
        except (StoreGone, Told):
            return
        finally:
            self._stop()

    def _take_next(self) -> bool:
        """Perform the job that waits longest; False where none does."""
        if (following := self._rows.following()) is None:
            return False
        self._performer_of(following)  # while the job can still be cancelled at once
        if (device := self._wait_for_device()) is None:
            return True
        try:
            if (job := self._rows.claim()) is not None:
                self._perform(job)
        finally:
            device.release()
        if self._lock.is_wanted():
            time.sleep(YIELD_SECONDS)
        return True

    def _wait_for_device(self) -> FileLock | None:
        """Return the lock of the device; None where nothing waits for it any more."""
        if (lock := self._lock.try_take()) is not None:
            return lock
        words: Words = {"message": f"waiting for {self._rows.device}: another store's job has it"}
        told = ""
        with self._lock.queueing():
            while (following := self._rows.following()) is not None:
                if (lock := self._lock.try_take()) is not None:
                    return lock
                if following.id != told:
                    self._rows.tell(following, words)
                    told = following.id
                self._look()
                time.sleep(POLL_SECONDS)
        return None

    def _perform(self, job: Job) -> None:
        """Have a job done, and end its row; unless the store goes away, on every way out."""
        performing = self._performer_of(job)
        performing.ask(job, self._rows.log(job))
        news: Words = {}
        shown_at = 0.0
        while (heard := performing.hear(POLL_SECONDS)) is not None:
            for words in heard:
                if "error" in words:
                    self._rows.end(job, "failed", news, error=str(words["error"]))
                    return
                if "result" in words:
                    self._rows.end(job, "done", news, result=words["result"])
                    return
                news = words
            self._rows.look()
            if self._is_told or self._rows.is_cancelled(job):
                self._cancel(job, news)
                return
            if news and time.monotonic() - shown_at >= WRITE_SECONDS:
                self._rows.tell(job, news)
                news, shown_at = {}, time.monotonic()
            reap(spare=performing.process.pid)
        self._performing = None
        self._rows.end(job, "failed", news, error=f"{performing.fate()}: {_AGAIN}")

    def _performer_of(self, job: Job) -> Performing:
        """Return a process that may do this job: the one that there is, or a fresh one."""
        if self._performing is not None and not self._performing.may_take(job):
            self._performing.leave()
            self._performing = None
        if self._performing is None:
            self._performing = Performing(self._rows.store)
        return self._performing

    def _cancel(self, job: Job, news: Words) -> None:
        """End a job with all that it started."""
        for words in self._stop():
            # It was done at this very moment. An error may come of being stopped.
            if "result" in words:
                self._rows.end(job, "done", news, result=words["result"])
                return
        message = "its worker was told to end (SIGTERM)" if self._is_told else "cancelled"
        self._rows.end(job, "cancelled", news | {"message": message})

    def _look(self) -> None:
        """See whether there is still something to be here for.

        Raises:
            Told: this worker is to end.
            StoreGone: the store is gone.
        """
        self._rows.look()
        if self._is_told:
            raise Told

    def _stop(self) -> list[Words]:
        """End the process that performs and all below it; returns its last words."""
        performing, self._performing = self._performing, None
        return [] if performing is None else performing.stop()


def main() -> None:
    """Detach from whoever started this, and work."""
    store, device, fd, idle_seconds = sys.argv[1:]
    role = FileLock(int(fd))
    os.set_inheritable(role.fd, False)
    ready, told = os.pipe()
    if os.fork():
        # Whoever started us waits for this process, and has no child from then on.
        os.close(told)
        os._exit(0 if os.read(ready, 1) else 1)
    os.close(ready)
    os.setsid()
    # What this worker's processes leave behind becomes its own child, and so cannot get away.
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    rows = Rows(Path(store), device)
    os.write(told, b"1")
    os.close(told)
    worker = Worker(rows, float(idle_seconds))
    signal.signal(signal.SIGTERM, worker.tell)
    worker.serve(role)


if __name__ == "__main__":
    main()
