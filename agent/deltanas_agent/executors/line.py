"""The line in front of the places: who waits for one, and who comes back from one that was lost."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition

from deltanas_agent.executors.port import Ended, Fault, Training
from deltanas_tools.train_one_epoch import OnEpoch

MAX_LOSSES = 3
"""With how many places a training may be lost: then it counts as what loses them."""


@dataclass(eq=False)
class Waiting:
    """A training that has not ended."""

    training: Training
    on_epoch: OnEpoch
    future: "Future[Ended]" = field(default_factory=Future)
    _losses: int = 0
    _seconds: float = 0.0
    _begun: float = 0.0

    def begin(self) -> None:
        """Note that it is in a place from now on."""
        self._begun = time.monotonic()

    def lose(self, why: str) -> bool:
        """Note that its place was lost; return whether it may have another."""
        self._losses += 1
        self._seconds += time.monotonic() - self._begun
        if self._losses < MAX_LOSSES:
            return True
        message = f"its worker was lost {self._losses} times while it was trained; at last: {why}"
        fault = Fault(kind="TrainError", code="crash", message=message, output="")
        self.future.set_result(Ended(result=fault, seconds=self._seconds))
        return False


class Line:
    """Trainings in the order they came; what comes back goes first."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        self._changed = Condition()
        self._end: Exception | None = None

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._waiting)

    def append(self, waiting: Waiting) -> None:
        """Let a training wait.

        Raises:
            Exception: the one that the line was closed with.
        """
        with self._changed:
            if self._end is not None:
                raise self._end
            self._waiting.append(waiting)
            self._changed.notify_all()

    def put_back(self, waiting: Waiting) -> None:
        """Let a training that was taken wait again; it fails where the line is closed."""
        with self._changed:
            if self._end is None:
                self._waiting.appendleft(waiting)
                self._changed.notify_all()
                return
        waiting.future.set_exception(self._end)

    def take(self, is_gone: Callable[[], bool]) -> Waiting | None:
        """Return the next as soon as there is one; None where the line or the place is closed."""
        with self._changed:
            while True:
                if self._end is not None or is_gone():
                    return None
                while self._waiting:
                    first = self._waiting.popleft()
                    if first.future.running() or first.future.set_running_or_notify_cancel():
                        return first
                self._changed.wait()

    def wake(self) -> None:
        """Have those who wait for a training look whether their place is gone."""
        with self._changed:
            self._changed.notify_all()

    def fail(self, error: Exception) -> None:
        """Have all that wait fail, and go on."""
        for each in self._drained():
            if each.future.running() or each.future.set_running_or_notify_cancel():
                each.future.set_exception(error)

    def close(self, error: Exception) -> None:
        """Take nothing any more. What never began is cancelled, what comes back fails."""
        with self._changed:
            self._end = self._end or error
            self._changed.notify_all()
        for each in self._drained():
            if each.future.running():
                each.future.set_exception(error)
            else:
                each.future.cancel()
                each.future.set_running_or_notify_cancel()

    def _drained(self) -> list[Waiting]:
        with self._changed:
            drained = list(self._waiting)
            self._waiting.clear()
        return drained
