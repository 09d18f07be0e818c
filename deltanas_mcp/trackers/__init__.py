"""Trackers of experiments that people already use. Each needs its own package."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from deltanas_agent.tracking import Point


class Tracker(Protocol):
    """Takes the points of a run. The same points again change nothing."""

    def write(self, points: Sequence[Point]) -> int:
        """Write what is not there yet; return how many points that were.

        Raises:
            ConfigError: the tracker cannot be written.
        """
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def flat(values: Mapping[str, object], prefix: str = "") -> dict[str, str]:
    """Return nested settings as names with dots, and their values as text."""
    found: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = str(value)
    return found
