"""Token buckets: so many a minute, and as many at once after a minute of silence."""

import time
from collections import OrderedDict
from collections.abc import Callable

MAX_KEYS = 10_000
"""How many callers are remembered; those forgotten first were silent longest."""


class Buckets:
    """A bucket for each caller, full at first."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._filled: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """What is in a bucket, and when it was."""

    def wait(self, key: str) -> float:
        """Return after how many seconds there is one to take; 0 where there is one now."""
        return max(0.0, (1.0 - self._level(key)) / self._per_second)

    def take(self, key: str) -> float:
        """Take one if there is one; returns what `wait` would have."""
        if wait := self.wait(key):
            return wait
        self._filled[key] = (self._level(key) - 1.0, self._clock())
        self._filled.move_to_end(key)
        if len(self._filled) > MAX_KEYS:
            self._filled.popitem(last=False)
        return 0.0

    def _level(self, key: str) -> float:
        now = self._clock()
        level, at = self._filled.get(key, (self._size, now))
        return min(self._size, level + (now - at) * self._per_second)
