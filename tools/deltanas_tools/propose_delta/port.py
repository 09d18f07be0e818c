"""The port that every way of writing a delta implements."""

from typing import Protocol

from deltanas_repo_store.records import Proposal
from deltanas_tools.brief import Brief


class Proposer(Protocol):
    """Writes answers. A bad answer is an answer; only a broken proposer raises."""

    @property
    def name(self) -> str:
        """What the store records as the proposer."""
        ...

    def propose(self, brief: Brief, *, seed: int) -> Proposal:
        """Answer ``brief``. The same brief and seed give the same answer where the model allows.

        Raises:
            ProposerError: the proposer is unavailable or over its budget.
        """
        ...
