"""What a candidate gains over its parent when both are trained, outside any store."""

from collections.abc import Callable

from deltanas_repo_store.errors import CandidateError
from deltanas_repo_store.records import Architecture
from deltanas_tools.brief import Brief

NOTHING = 0.0
"""Accuracy of a network whose training does not end in one."""


class Gains:
    """Measures gains on one data set. A parent is trained once for all its candidates."""

    def __init__(self, accuracy: Callable[[Architecture], float]) -> None:
        """Measure with ``accuracy``, which trains a network and may raise `CandidateError`."""
        self._accuracy = accuracy
        self._parents: dict[str, float | None] = {}

    def __call__(self, brief: Brief, candidate: Architecture) -> float | None:
        """Return the candidate's accuracy minus its parent's; None where the parent has none.

        A candidate that cannot be trained gains less than nothing: it has no accuracy at all.
        """
        key = brief.parent.model_dump_json()
        if key not in self._parents:
            self._parents[key] = self._trained(brief.parent)
        parent = self._parents[key]
        if parent is None:
            return None
        return (self._trained(candidate) or NOTHING) - parent

    def _trained(self, architecture: Architecture) -> float | None:
        try:
            return self._accuracy(architecture)
        except CandidateError:
            return None
