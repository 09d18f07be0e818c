"""The ledger: what a run has spent, read from the store, so that no session can lose it."""

from collections.abc import Iterable

from deltanas_agent.config import Budget
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.records import Record


class Ledger(Record):
    """The cost of a run over all of its sessions."""

    answers: int = 0
    """Answers that have ended, first ones and retries."""
    first_answers: int = 0
    """Of these, first ones."""
    kept: int = 0
    kept_first: int = 0
    """Candidates whose first answer was kept."""
    improved: int = 0
    """Kept candidates that are better than their parent beyond the noise floor."""
    seconds: float = 0.0
    """Wall time spent on candidates."""
    tokens: int = 0

    @classmethod
    def of(cls, candidates: Iterable[KeptEntry | RejectedEntry]) -> "Ledger":
        """Add up the finished candidates of a run."""
        done = list(candidates)
        kept = [entry for entry in done if isinstance(entry, KeptEntry)]
        return cls(
            answers=len(done),
            first_answers=sum(entry.key.attempt == 1 for entry in done),
            kept=len(kept),
            kept_first=sum(entry.key.attempt == 1 for entry in kept),
            improved=sum(entry.improved for entry in kept),
            seconds=sum(entry.seconds for entry in done),
            tokens=sum(entry.tokens for entry in done),
        )

    def exhausted(self, budget: Budget, *, under_way: int = 0) -> str:
        """Say which limit of the budget is reached; empty where none is.

        ``under_way`` are answers that have not ended.
        """
        if budget.answers is not None and self.answers + under_way >= budget.answers:
            return f"the budget of {budget.answers} answers is spent"
        if budget.tokens is not None and self.tokens >= budget.tokens:
            return f"the budget of {budget.tokens:,} tokens is spent"
        if budget.seconds is not None and self.seconds >= budget.seconds:
            return f"the budget of {budget.seconds:g} s is spent"
        return ""
