"""The loop: cycles of candidates, each proposed, evaluated and recorded before the next.

Resuming is starting: the loop looks at the refs, goes past every slot that is finished, takes
up the answer of the one that is pending, and draws everything else from seeds that depend on
the slot alone. So a run that was killed and started again ends as one that was not.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from deltanas_agent.config import RunConfig, derive_seed
from deltanas_agent.evaluator import Evaluator
from deltanas_agent.events import AnswerEnded, ArmSpent, Begun, Event, SlotBegun, SlotSkipped
from deltanas_agent.ledger import Ledger
from deltanas_agent.outcomes import Admitted
from deltanas_agent.pools import Pools, StopAsked
from deltanas_agent.selection import Member, on_island, select_parent
from deltanas_agent.slots import Slot, slot_of, slot_of_key
from deltanas_agent.stops import Streak, reason_to_stop
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.records import (
    CandidateKey,
    Name,
    Outcome,
    Pending,
    Record,
    Rejected,
    Rejection,
)
from deltanas_repo_store.store import Store
from deltanas_tools.propose_delta.port import Proposer, Request


class Tuner(Protocol):
    """Tunes the model of an arm between two cycles."""

    def is_due(self, cycle: int) -> bool:
        """Say whether a model is to be tuned after a cycle, and has not been."""
        ...

    def tune(self, cycle: int) -> Mapping[str, Proposer]:
        """Tune it, and return who proposes from then on. What was begun before is gone on with.

        Raises:
            ProposerError: it failed; the run can be resumed.
            ConfigError: the store has nothing to learn from.
        """
        ...


Parents = Mapping[Name, list[Member]]
"""Who may be a parent on each data set."""
STOPPED = "it was asked to stop"


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
    evaluators: Mapping[Name, Evaluator]
    """One for each data set of the run; they train in the same places."""
    proposers: Mapping[str, Proposer]
    """One for each arm; of a run without arms, the only one has the name ``""``."""
    notify: Callable[[Event], None]
    stop_asked: Callable[[], bool] = lambda: False
    """Looked at before each answer: what is under way is finished, and the session ends."""
    tuner: Tuner | None = None
    _under_way: "dict[CandidateKey, Future[Outcome]]" = field(default_factory=dict)
    _spent: dict[str, str] = field(default_factory=dict)
    """Arms that rest, and why: they have no budget left, or are broken."""
    _resting: set[str] = field(default_factory=set)
    """Those of them that were told of."""
    _streaks: dict[str, Streak] = field(default_factory=dict)

    def drive(self) -> Finished:
        """Work until the run's cycles or its budget are spent.

        Raises:
            StoreBusy: another process is driving this run.
            ConfigError: no baseline can be measured on one of the data sets.
            ProposerError: a proposer failed; the run can be resumed.
            SandboxError: candidates cannot be run.
        """
        with self.store.driving(self.run):
            pools = Pools(
                self.run, self.config, self.store, self.evaluators, self.notify, self.stop_asked
            )
            self.notify(
                Begun(
                    num_baselines=len(pools.named_baselines()) * len(self.evaluators),
                    num_candidates=(self.config.cycles - self._first + 1) * self.config.slots,
                )
            )
            try:
                pools.measure_baselines()
                reason = self._search(pools)
            except StopAsked:
                reason = STOPPED
            return Finished(reason=reason, ledger=self._ledger())

    def _search(self, pools: Pools) -> str:
        """Work on all cycles; return why not, where they are not all done."""
        pending = {each.key: each for each in self.store.pending(self.run)}
        for cycle in range(self._first, self.config.cycles + 1):
            parents = pools.before(cycle)
            if reason := reason_to_stop(self.config.stops, parents, before=cycle):
                return reason
            for index in range(1, self.config.slots + 1):
                self._settle(leaving=self._num_places() - 1)
                slot = slot_of(self.config, cycle, index)
                if reason := self._work_on(slot, parents, pending):
                    self._settle()
                    return reason
            self._settle()
            self._tune(cycle)
        pools.before(self.config.cycles + 1)  # the last cycle's best count too
        return ""

    def _tune(self, cycle: int) -> None:
        """Tune after a cycle that another one follows."""
        if self.tuner is not None and cycle < self.config.cycles and self.tuner.is_due(cycle):
            # The models' memory is needed to train.
            self.proposers = {}
            self.proposers = self.tuner.tune(cycle)

    @property
    def _first(self) -> int:
        """The first cycle that is this run's own."""
        return self.config.fork.cycle + 1 if self.config.fork else 1

    def _num_places(self) -> int:
        return len(next(iter(self.evaluators.values())).executor)

    def _ledger(self, arm: str | None = None) -> Ledger:
        """Return what the run has spent, or one of its arms."""
        done = self.store.candidates(self.run)
        if arm:
            done = tuple(each for each in done if self._slot(each.key).arm == arm)
        return Ledger.of(done)

    def _slot(self, key: CandidateKey) -> Slot:
        return slot_of_key(self.config, key)

    def _settle(self, *, leaving: int = 0) -> None:
        """Record trainings as they end, until no more than ``leaving`` are under way."""
        while len(self._under_way) > leaving:
            done, _ = wait(self._under_way.values(), return_when=FIRST_COMPLETED)
            for key in [key for key, future in self._under_way.items() if future in done]:
                outcome = self._under_way.pop(key).result()
                self._finish(outcome, slot_ended=True)
                self._evaluator(self._slot(key)).novelty.end(key.name)

    def _finish(self, outcome: Outcome, *, slot_ended: bool) -> None:
        """Record an ending, and rest its arm where too many have ended alike."""
        self.store.finish(outcome)
        arm = self._slot(outcome.pending.key).arm
        streak = self._streaks.setdefault(arm, Streak(self.config.stops))
        if reason := streak.add(outcome.rejection if isinstance(outcome, Rejected) else None):
            self._spent.setdefault(arm, reason)
        self.notify(AnswerEnded(outcome=outcome, slot_ended=slot_ended))

    def _evaluator(self, slot: Slot) -> Evaluator:
        return self.evaluators[slot.dataset]

    def _work_on(self, slot: Slot, parents: Parents, pending: dict[CandidateKey, Pending]) -> str:
        """Bring one candidate to its training; return the limit that stops the run, if one does."""
        history = self._history(slot)
        if history.ended:
            self.notify(SlotSkipped(cycle=slot.cycle, index=slot.index))
            return ""
        parent = self._parent(slot, parents)
        self.notify(SlotBegun(cycle=slot.cycle, index=slot.index, parent=parent.name))
        while not history.ended:
            if self.stop_asked():
                return STOPPED
            if reason := self._spent.get(slot.arm) or self._exhausted(slot.arm):
                return self._rest(slot, reason)
            attempt = len(history.refusals) + 1
            key = CandidateKey(run=self.run, cycle=slot.cycle, index=slot.index, attempt=attempt)
            if key not in pending:
                keys = [key] if attempt > 1 else self._alike(key, parent, parents, pending)
                self._propose(keys, parent, history, pending)
            admitted = self._evaluator(slot).admit(pending.pop(key), self._settle)
            if isinstance(admitted, Admitted):
                self._begin_training(admitted)
                return ""
            history = self._after(history, admitted)
            self._finish(admitted, slot_ended=history.ended)
        return ""

    def _exhausted(self, arm: str) -> str:
        under_way = sum(self._slot(key).arm == arm for key in self._under_way)
        return self._ledger(arm).exhausted(self.config.budget, under_way=under_way)

    def _rest(self, slot: Slot, reason: str) -> str:
        """Let an arm rest; return the reason where no arm is left."""
        self._spent[slot.arm] = reason
        if len(self._spent) == len(self.proposers):
            return reason
        if slot.arm not in self._resting:
            self._resting.add(slot.arm)
            self.notify(ArmSpent(arm=slot.arm, reason=reason))
        self.notify(SlotSkipped(cycle=slot.cycle, index=slot.index))
        return ""

    def _parent(self, slot: Slot, parents: Parents) -> Member:
        selection = self.config.selection
        pool = parents[slot.dataset]
        near = on_island(pool, selection.islands, cycle=slot.cycle, place=slot.place)
        seed = derive_seed(self.config.seed, "parent", slot.cycle, slot.turn)
        return select_parent(near, selection, seed=seed)

    def _begin_training(self, admitted: Admitted) -> None:
        """Hand a candidate over; a training is paid for once, so that it ends the slot."""
        key = admitted.pending.key
        evaluator = self._evaluator(self._slot(key))
        evaluator.novelty.begin(
            key.name,
            admitted.architecture.source,
            trace=admitted.progress.trace,
            parent=admitted.pending.parent,
        )
        self._under_way[key] = evaluator.train(admitted)

    def _history(self, slot: Slot) -> "_History":
        """Return what became of earlier answers for a candidate."""
        entries = [
            entry
            for entry in self.store.candidates(self.run)
            if (entry.key.cycle, entry.key.index) == (slot.cycle, slot.index)
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
        parents: Parents,
        pending: dict[CandidateKey, Pending],
    ) -> list[CandidateKey]:
        """Return a candidate and those of its cycle whose first answers are best asked for with it.

        They have the same parent, so that a model reads it once for all.
        """
        own = self._slot(key)
        budget, spent = self.config.budget.answers, self._ledger(own.arm).answers
        room = self.proposers[own.arm].batch
        if budget is not None:
            begun_here = [each for each in (*self._under_way, *pending) if self._is_of(own, each)]
            room = min(room, budget - spent - len(begun_here))
        begun = {(entry.key.cycle, entry.key.index) for entry in self.store.candidates(self.run)}
        begun |= {(each.cycle, each.index) for each in pending}
        later = (
            slot_of(self.config, key.cycle, index)
            for index in range(key.index + 1, self.config.slots + 1)
            if (key.cycle, index) not in begun
        )
        others = (
            key.model_copy(update={"index": slot.index})
            for slot in later
            if (slot.arm, slot.dataset) == (own.arm, own.dataset)
            and self._parent(slot, parents).id == parent.id
        )
        return [key, *islice(others, max(room - 1, 0))]

    def _is_of(self, slot: Slot, key: CandidateKey) -> bool:
        return self._slot(key).arm == slot.arm

    def _propose(
        self,
        keys: list[CandidateKey],
        parent: Member,
        history: "_History",
        pending: dict[CandidateKey, Pending],
    ) -> None:
        """Ask for an answer to each, about one parent, and make them safe."""
        slots = [self._slot(key) for key in keys]
        brief = self._evaluator(slots[0]).brief(
            parent.id,
            refusals=history.refusals,
            refused_answer=history.answer,
            siblings=self._siblings(parent, slots[0]),
        )
        requests = [
            Request(
                brief=brief,
                seed=derive_seed(self.config.seed, "proposal", key.cycle, slot.turn, key.attempt),
            )
            for key, slot in zip(keys, slots, strict=True)
        ]
        proposals = self.proposers[slots[0].arm].propose(requests)
        for key, proposal in zip(keys, proposals, strict=True):
            begun = Pending(key=key, parent=parent.id, proposal=proposal)
            self.store.reserve(begun)
            pending[key] = begun

    def _siblings(self, parent: Member, slot: Slot) -> tuple[str, ...]:
        """Return what earlier cycles tried on a parent; the present one depends on their order.

        An arm hears of its own trials on this data set alone.
        """
        tried = [
            (entry, self._slot(entry.key))
            for entry in self.store.candidates(self.run)
            if entry.parent == parent.id and entry.key.cycle < slot.cycle
        ]
        own = [
            entry
            for entry, theirs in tried
            if (theirs.arm, theirs.dataset) == (slot.arm, slot.dataset)
        ]
        own.sort(key=lambda entry: (entry.key.cycle, entry.key.index, entry.key.attempt))
        return tuple(entry.subject for entry in own[-self.config.siblings :])


@dataclass(frozen=True)
class _History:
    """What became of the answers for one candidate."""

    refusals: tuple[Rejection, ...] = ()
    answer: str = ""
    """The last that was refused."""
    ended: bool = False
    """No further answer is asked for."""
