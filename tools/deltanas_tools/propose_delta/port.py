"""The port that every way of writing a delta implements."""

from collections.abc import Sequence
from typing import Protocol

from deltanas_repo_store.records import Proposal, Record
from deltanas_tools.brief import Brief


class Request(Record):
    """One answer that is wanted."""

    brief: Brief
    seed: int


class Proposer(Protocol):
    """Writes answers. A bad answer is an answer; only a broken proposer raises."""

    @property
    def name(self) -> str:
        """What the store records as the proposer."""
        ...

    @property
    def batch(self) -> int:
        """How many answers are best asked for at once."""
        ...

    def propose(self, requests: Sequence[Request]) -> list[Proposal]:
        """Answer every request, in their order.

        The same brief and seed give the same answer, as far as the model allows: in another
        batch, rounding differs.

        Raises:
            ProposerError: the proposer is unavailable or over its budget; nothing was answered.
        """
        ...
