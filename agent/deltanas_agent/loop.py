"""The loop: cycles of candidates, each proposed, evaluated and recorded before the next.

Resuming is starting: the loop looks at the refs, goes past every slot that is finished, takes
up the answer of the one that is pending, and draws everything else from seeds that depend on
the slot alone. So a run that was killed and started again ends as one that was not.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from deltanas_agent.config import RunConfig, derive_seed
from deltanas_agent.evaluator import Evaluator
from deltanas_agent.ledger import Ledger
from deltanas_agent.selection import Member, select_parent
from deltanas_repo_store.entries import BaselineEntry, KeptEntry, RejectedEntry
from deltanas_repo_store.errors import CandidateError, ConfigError
from deltanas_repo_store.records import (
    CandidateKey,
    Evaluation,
    Outcome,
    Pending,
    Record,
    Rejected,
    Rejection,
)
from deltanas_repo_store.store import Store
from deltanas_tools.propose_delta.port import Proposer

logger = logging.getLogger(__name__)


class Begun(Record):
    """A session begins."""

    num_baselines: int
    num_candidates: int


class BaselineMeasured(Record):
    """A baseline has a measurement under the run's conditions, or cannot be measured."""

    name: str
    evaluation: Evaluation | None


class SlotBegun(Record):
    """Work on a candidate begins or goes on."""

    cycle: int
    index: int
    parent: str


class AnswerEnded(Record):
    """An answer has become a commit."""

    outcome: Outcome
    slot_ended: bool
    """No further answer will be asked for this candidate."""


class SlotSkipped(Record):
    """A candidate was finished in an earlier session."""

    cycle: int
    index: int


Event = Begun | BaselineMeasured | SlotBegun | AnswerEnded | SlotSkipped


class Finished(Record):
    """How a session of the loop ended."""

    reason: str
    """Empty where all cycles are done; else the limit that was reached."""
    ledger: Ledger


@dataclass
class Loop:
    """One session of a run. Interrupt it at any time; the next session goes on."""

    run: str
    config: RunConfig
    store: Store
    evaluator: Evaluator
    proposer: Proposer
    notify: Callable[[Event], None]

    def drive(self) -> Finished:
        """Work until the run's cycles or its budget are spent.

        Raises:
            StoreBusy: another process is driving this run.
            ConfigError: no baseline can be measured.
            ProposerError: the proposer failed; the run can be resumed.
            SandboxError: candidates cannot be run.
        """
        with self.store.driving(self.run):
            baselines = self._measured_baselines()
            pending = {each.key: each for each in self.store.pending(self.run)}
            for cycle in range(1, self.config.cycles + 1):
                pool = self._pool(baselines, before=cycle)
                for index in range(1, self.config.candidates + 1):
                    if reason := self._work_on(cycle, index, pool, pending):
                        return Finished(reason=reason, ledger=self._ledger())
            return Finished(reason="", ledger=self._ledger())

    def _ledger(self) -> Ledger:
        return Ledger.of(self.store.candidates(self.run))

    def _measured_baselines(self) -> list[Member]:
        entries = [entry for entry in self.store.entries() if isinstance(entry, BaselineEntry)]
        there = {entry.name: entry for entry in entries}
        names = list(there) if self.config.baselines is None else list(self.config.baselines)
        if missing := [name for name in names if name not in there]:
            raise ConfigError(
                f"the store has no baseline {missing[0]!r}; it has {', '.join(there) or 'none'}"
            )
        num_candidates = self.config.cycles * self.config.candidates
        self.notify(Begun(num_baselines=len(names), num_candidates=num_candidates))
        members: list[Member] = []
        for name in names:
            try:
                evaluation = self.evaluator.measure(there[name].id)
            except CandidateError as error:
                logger.warning("baseline left out", extra={"baseline": name, "reason": str(error)})
                self.notify(BaselineMeasured(name=name, evaluation=None))
                continue
            members.append(Member(there[name].id, name, evaluation.accuracy))
            self.notify(BaselineMeasured(name=name, evaluation=evaluation))
        if not members:
            raise ConfigError(
                "no baseline can be measured, so there is no parent to start from; "
                "`deltanas baselines STORE` adds ours, `deltanas check NAME` says what is wrong"
            )
        return members

    def _pool(self, baselines: list[Member], *, before: int) -> list[Member]:
        """Return the baselines and what earlier cycles of this run kept."""
        kept = [
            Member(entry.id, entry.name, entry.accuracy)
            for entry in self.store.entries(self.run)
            if isinstance(entry, KeptEntry) and entry.key.cycle < before
        ]
        return [*baselines, *kept]

    def _work_on(
        self,
        cycle: int,
        index: int,
        pool: list[Member],
        pending: dict[CandidateKey, Pending],
    ) -> str:
        """Bring one candidate to its end; return the limit that stops the run, if one does."""
        refusals, ended = self._history(cycle, index)
        if ended:
            self.notify(SlotSkipped(cycle=cycle, index=index))
            return ""
        seed = derive_seed(self.config.seed, "parent", cycle, index)
        parent = select_parent(pool, self.config.selection, seed=seed)
        self.notify(SlotBegun(cycle=cycle, index=index, parent=parent.name))
        while not ended:
            if reason := self._ledger().exhausted(self.config.budget):
                return reason
            attempt = len(refusals) + 1
            key = CandidateKey(run=self.run, cycle=cycle, index=index, attempt=attempt)
            begun = pending.get(key) or self._propose(key, parent, tuple(refusals))
            outcome = self.evaluator.evaluate(begun)
            self.store.finish(outcome)
            ended = self._ends_slot(outcome, attempt)
            if isinstance(outcome, Rejected):
                refusals.append(outcome.rejection)
            self.notify(AnswerEnded(outcome=outcome, slot_ended=ended))
        return ""

    def _history(self, cycle: int, index: int) -> tuple[list[Rejection], bool]:
        """Return why earlier answers for a candidate were refused, and whether it is finished."""
        entries = [
            entry
            for entry in self.store.candidates(self.run)
            if (entry.key.cycle, entry.key.index) == (cycle, index)
        ]
        if any(isinstance(entry, KeptEntry) for entry in entries):
            return [], True
        rejected = sorted(
            (entry for entry in entries if isinstance(entry, RejectedEntry)),
            key=lambda entry: entry.key.attempt,
        )
        refusals: list[Rejection] = []
        for entry in rejected:
            outcome = self.store.outcome(entry.key)
            if isinstance(outcome, Rejected):
                refusals.append(outcome.rejection)
                if self._ends_slot(outcome, entry.key.attempt):
                    return refusals, True
        return refusals, False

    def _ends_slot(self, outcome: Outcome, attempt: int) -> bool:
        """Say whether no further answer is asked: a training is paid for once a candidate."""
        if isinstance(outcome, Rejected) and outcome.rejection.stage != "train":
            return attempt >= self.config.attempts
        return True

    def _propose(
        self, key: CandidateKey, parent: Member, refusals: tuple[Rejection, ...]
    ) -> Pending:
        brief = self.evaluator.brief(self.store.get(parent.id), refusals)
        seed = derive_seed(self.config.seed, "proposal", key.cycle, key.index, key.attempt)
        proposal = self.proposer.propose(brief, seed=seed)
        begun = Pending(key=key, parent=parent.id, proposal=proposal)
        self.store.reserve(begun)
        return begun
