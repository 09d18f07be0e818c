"""Waits for what processes do when they do it."""

from collections.abc import Callable
from time import monotonic, sleep


def until(claim: Callable[[], bool], seconds: float = 90.0) -> None:
    """Wait until something is true."""
    end = monotonic() + seconds
    while not claim():
        assert monotonic() < end, "it never came true"
        sleep(0.05)
