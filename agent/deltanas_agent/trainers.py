"""Trainings side by side: each has a place of its own, a sandbox and a device."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from types import TracebackType
from typing import Self, TypeVar

from deltanas_tools.sandbox import Sandbox

_T = TypeVar("_T")


@dataclass(frozen=True)
class Place:
    """Where one network at a time is trained."""

    sandbox: Sandbox
    device: str
    """``cpu``, ``cuda`` or ``cuda:1``."""


class Trainers:
    """Hands jobs to places. A thread waits for each; the work is done in the sandboxes."""

    def __init__(self, places: Sequence[Place]) -> None:
        self._places = tuple(places)
        self._free: SimpleQueue[Place] = SimpleQueue()
        for place in self._places:
            self._free.put(place)
        self._threads = ThreadPoolExecutor(len(self._places), thread_name_prefix="trainer")

    def __len__(self) -> int:
        """Return how many jobs run at the same time."""
        return len(self._places)

    def __enter__(self) -> Self:
        """Return the trainers; nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the trainers."""
        self.close()

    def submit(self, job: Callable[[Place], _T]) -> "Future[_T]":
        """Run ``job`` at the next place that is free; what it raises, the future raises."""

        def at_a_place() -> _T:
            place = self._free.get()
            try:
                return job(place)
            finally:
                self._free.put(place)

        return self._threads.submit(at_a_place)

    def close(self) -> None:
        """Drop the jobs that wait, and end those that run with their sandboxes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for place in self._places:
            place.sandbox.close()
        self._threads.shutdown(wait=True)
