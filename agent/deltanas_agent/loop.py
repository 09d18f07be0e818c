"""The loop: cycles of candidates, each proposed, evaluated and recorded before the next.

Resuming is starting: the loop looks at the refs, goes past every slot that is finished, takes
up the answer of the one that is pending, and draws everything else from seeds that depend on
the slot alone. So a run that was killed and started again ends as one that was not.
"""

import logging
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from itertools import islice
from statistics import fmean

from deltanas_agent.config import RunConfig, derive_seed
from deltanas_agent.evaluator import Evaluator, Measuring
from deltanas_agent.ledger import Ledger
from deltanas_agent.outcomes import Admitted
from deltanas_agent.selection import Member, on_island, ranked, select_parent
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.errors import CandidateError, ConfigError
from deltanas_repo_store.records import (
    ArchitectureId,
    CandidateKey,
    Evaluation,
    Outcome,
    Pending,
    Record,
    Rejected,
    Rejection,
)
from deltanas_repo_store.store import Store
from deltanas_tools.propose_delta.port import Proposer, Request

logger = logging.getLogger(__name__)


class Begun(Record):
    """A session begins."""

    num_baselines: int
    num_candidates: int


class BaselineMeasured(Record):
    """A baseline has a measurement under the run's conditions, or cannot be measured."""

    name: str
    evaluation: Evaluation | None


class NoiseFound(Record):
    """The noise floor is known, or with one seed cannot be."""

    noise_floor: float | None


class Replicated(Record):
    """One of the best was measured with all seeds."""

    name: str
    first: float
    """Its accuracy with the run's own seed."""
    mean: float
    num_seeds: int


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


Event = Begun | BaselineMeasured | NoiseFound | Replicated | SlotBegun | AnswerEnded | SlotSkipped


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
    _under_way: "dict[CandidateKey, Future[Outcome]]" = field(default_factory=dict)
    _means: dict[ArchitectureId, float] = field(default_factory=dict)

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
                    self._settle(leaving=len(self.evaluator.trainers) - 1)
                    if reason := self._work_on(cycle, index, pool, pending):
                        self._settle()
                        return Finished(reason=reason, ledger=self._ledger())
                self._settle()
            self._pool(baselines, before=self.config.cycles + 1)  # the last cycle's best count too
            return Finished(reason="", ledger=self._ledger())

    def _ledger(self) -> Ledger:
        return Ledger.of(self.store.candidates(self.run))

    def _settle(self, *, leaving: int = 0) -> None:
        """Record trainings as they end, until no more than ``leaving`` are under way."""
        while len(self._under_way) > leaving:
            done, _ = wait(self._under_way.values(), return_when=FIRST_COMPLETED)
            for key in [key for key, future in self._under_way.items() if future in done]:
                outcome = self._under_way.pop(key).result()
                self.store.finish(outcome)
                self.evaluator.novelty.end(key.name)
                self.notify(AnswerEnded(outcome=outcome, slot_ended=True))

    def _measured_baselines(self) -> list[Member]:
        entries = self.store.baselines()
        there = {entry.name: entry.id for entry in entries}
        names = list(there) if self.config.baselines is None else list(self.config.baselines)
        if missing := [name for name in names if name not in there]:
            raise ConfigError(
                f"the store has no baseline {missing[0]!r}; it has {', '.join(there) or 'none'}"
            )
        num_candidates = self.config.cycles * self.config.candidates
        self.notify(Begun(num_baselines=len(names), num_candidates=num_candidates))
        begun = {name: self._begin_seeds(there[name]) for name in names}
        members: list[Member] = []
        for name in names:
            accuracies, evaluation = self._end_seeds(begun[name], name)
            if evaluation is not None:
                self._means[there[name]] = fmean(accuracies)
                members.append(
                    Member(
                        there[name],
                        name,
                        evaluation.accuracy,
                        num_params=evaluation.num_params,
                        seconds=evaluation.seconds,
                    )
                )
            self.notify(BaselineMeasured(name=name, evaluation=evaluation))
        if not members:
            raise ConfigError(
                "no baseline can be measured, so there is no parent to start from; "
                "`deltanas baselines STORE` adds ours, `deltanas check NAME` says what is wrong"
            )
        self.notify(NoiseFound(noise_floor=self.evaluator.noise_floor()))
        return members

    def _begin_seeds(self, architecture_id: ArchitectureId) -> "list[Measuring]":
        """Begin to measure with all seeds, the run's own first."""
        seeds = self.config.replication.of(self.config.measurement)
        return [self.evaluator.begin_measuring(architecture_id, seed=seed) for seed in seeds]

    def _end_seeds(
        self, begun: "list[Measuring]", name: str
    ) -> tuple[list[float], Evaluation | None]:
        """Return the accuracies, and the measurement with the run's own seed.

        With another seed a failure counts as an accuracy of 0: what trains by luck is not good.
        """
        accuracies: list[float] = []
        first: Evaluation | None = None
        for place, measuring in enumerate(begun):
            try:
                evaluation = measuring()
            except CandidateError as error:
                logger.warning("not measured", extra={"network": name, "reason": str(error)})
                accuracies.append(0.0)
            else:
                accuracies.append(evaluation.accuracy)
                first = evaluation if place == 0 else first
        return accuracies, first

    def _pool(self, baselines: list[Member], *, before: int) -> list[Member]:
        """Return the baselines and what earlier cycles of this run kept.

        The best stand there with their mean over all seeds: who has the best of many numbers had
        luck as well, and would be the parent of many.
        """
        kept = [
            Member(
                entry.id,
                entry.name,
                entry.accuracy,
                num_params=entry.num_params,
                seconds=entry.seconds,
                key=entry.key,
            )
            for entry in self.store.entries(self.run)
            if isinstance(entry, KeptEntry) and entry.key.cycle < before
        ]
        pool = [*baselines, *kept]
        while True:
            best = ranked([self._with_mean(member) for member in pool])
            lucky = [each for each in best[: self._num_replicated()] if each.id not in self._means]
            if not lucky:
                return best
            self._replicate(lucky)

    def _num_replicated(self) -> int:
        replication = self.config.replication
        return replication.top if replication.seeds > 1 else 0

    def _with_mean(self, member: Member) -> Member:
        return replace(member, accuracy=self._means.get(member.id, member.accuracy))

    def _replicate(self, members: list[Member]) -> None:
        begun = [self._begin_seeds(member.id) for member in members]
        for member, measuring in zip(members, begun, strict=True):
            accuracies, _ = self._end_seeds(measuring, member.name)
            self._means[member.id] = fmean(accuracies)
            self.notify(
                Replicated(
                    name=member.name,
                    first=member.accuracy,
                    mean=self._means[member.id],
                    num_seeds=len(accuracies),
                )
            )

    def _work_on(
        self,
        cycle: int,
        index: int,
        pool: list[Member],
        pending: dict[CandidateKey, Pending],
    ) -> str:
        """Bring one candidate to its training; return the limit that stops the run, if one does."""
        history = self._history(cycle, index)
        if history.ended:
            self.notify(SlotSkipped(cycle=cycle, index=index))
            return ""
        parent = self._parent(pool, cycle, index)
        self.notify(SlotBegun(cycle=cycle, index=index, parent=parent.name))
        while not history.ended:
            under_way = len(self._under_way)
            if reason := self._ledger().exhausted(self.config.budget, under_way=under_way):
                return reason
            attempt = len(history.refusals) + 1
            key = CandidateKey(run=self.run, cycle=cycle, index=index, attempt=attempt)
            if key not in pending:
                keys = [key] if attempt > 1 else self._alike(key, parent, pool, pending)
                self._propose(keys, parent, history, pending)
            admitted = self.evaluator.admit(pending.pop(key), self._settle)
            if isinstance(admitted, Admitted):
                self._begin_training(admitted)
                return ""
            self.store.finish(admitted)
            history = self._after(history, admitted)
            self.notify(AnswerEnded(outcome=admitted, slot_ended=history.ended))
        return ""

    def _parent(self, pool: list[Member], cycle: int, index: int) -> Member:
        seed = derive_seed(self.config.seed, "parent", cycle, index)
        selection = self.config.selection
        near = on_island(pool, selection.islands, cycle=cycle, index=index)
        return select_parent(near, selection, seed=seed)

    def _begin_training(self, admitted: Admitted) -> None:
        """Hand a candidate over; a training is paid for once, so that it ends the slot."""
        key = admitted.pending.key
        self.evaluator.novelty.begin(
            key.name,
            admitted.architecture.source,
            trace=admitted.progress.trace,
            parent=admitted.pending.parent,
        )
        self._under_way[key] = self.evaluator.train(admitted)

    def _history(self, cycle: int, index: int) -> "_History":
        """Return what became of earlier answers for a candidate."""
        entries = [
            entry
            for entry in self.store.candidates(self.run)
            if (entry.key.cycle, entry.key.index) == (cycle, index)
        ]
        if any(isinstance(entry, KeptEntry) for entry in entries):
            return _History(ended=True)
        rejected = sorted(
            (entry for entry in entries if isinstance(entry, RejectedEntry)),
            key=lambda entry: entry.key.attempt,
        )
        history = _History()
        for entry in rejected:
            outcome = self.store.outcome(entry.key)
            if isinstance(outcome, Rejected):
                history = self._after(history, outcome)
        return history

    def _after(self, history: "_History", outcome: Rejected) -> "_History":
        """Return the history of a candidate with one more refusal."""
        # A training is paid for: whatever came of it, no further answer is asked for.
        is_last = outcome.pending.key.attempt >= self.config.attempts
        return _History(
            refusals=(*history.refusals, outcome.rejection),
            answer=outcome.pending.proposal.answer,
            ended=is_last or outcome.rejection.stage == "train",
        )

    def _alike(
        self,
        key: CandidateKey,
        parent: Member,
        pool: list[Member],
        pending: dict[CandidateKey, Pending],
    ) -> list[CandidateKey]:
        """Return a candidate and those of its cycle whose first answers are best asked for with it.

        They have the same parent, so that a model reads it once for all.
        """
        budget, spent = self.config.budget.answers, self._ledger().answers
        room = self.proposer.batch
        if budget is not None:
            room = min(room, budget - spent - len(self._under_way) - len(pending))
        begun = {(entry.key.cycle, entry.key.index) for entry in self.store.candidates(self.run)}
        begun |= {(each.cycle, each.index) for each in pending}
        others = (
            key.model_copy(update={"index": index})
            for index in range(key.index + 1, self.config.candidates + 1)
            if (key.cycle, index) not in begun
            and self._parent(pool, key.cycle, index).id == parent.id
        )
        return [key, *islice(others, max(room - 1, 0))]

    def _propose(
        self,
        keys: list[CandidateKey],
        parent: Member,
        history: "_History",
        pending: dict[CandidateKey, Pending],
    ) -> None:
        """Ask for an answer to each, about one parent, and make them safe."""
        brief = self.evaluator.brief(
            parent.id,
            refusals=history.refusals,
            refused_answer=history.answer,
            siblings=self._siblings(parent, before=keys[0].cycle),
        )
        requests = [
            Request(
                brief=brief,
                seed=derive_seed(self.config.seed, "proposal", key.cycle, key.index, key.attempt),
            )
            for key in keys
        ]
        for key, proposal in zip(keys, self.proposer.propose(requests), strict=True):
            begun = Pending(key=key, parent=parent.id, proposal=proposal)
            self.store.reserve(begun)
            pending[key] = begun

    def _siblings(self, parent: Member, *, before: int) -> tuple[str, ...]:
        """Return what earlier cycles tried on a parent; the present one depends on their order."""
        tried = [
            entry
            for entry in self.store.candidates(self.run)
            if entry.parent == parent.id and entry.key.cycle < before
        ]
        tried.sort(key=lambda entry: (entry.key.cycle, entry.key.index, entry.key.attempt))
        return tuple(entry.subject for entry in tried[-self.config.siblings :])


@dataclass(frozen=True)
class _History:
    """What became of the answers for one candidate."""

    refusals: tuple[Rejection, ...] = ()
    answer: str = ""
    """The last that was refused."""
    ended: bool = False
    """No further answer is asked for."""
