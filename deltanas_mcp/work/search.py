"""A job that drives the built-in loop: a run that is begun, or gone on with."""

from dataclasses import dataclass, field

from deltanas_agent.config import RunConfig
from deltanas_agent.events import AnswerEnded, BaselineMeasured, Begun, Event, SlotSkipped
from deltanas_agent.loop import Loop
from deltanas_mcp.answers import SearchAnswer
from deltanas_mcp.listing import summaries_of
from deltanas_mcp.tuning import tuner_of
from deltanas_mcp.wiring import Workbench, begin_search, search_config, with_budget
from deltanas_mcp.work.propose import with_model
from deltanas_mcp.work.records import Report, SearchArguments
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.queries import Wanted, leaderboard
from deltanas_repo_store.records import Kept
from deltanas_repo_store.store import Store

NUM_BEST = 10


def search(bench: Workbench, asked: SearchArguments, device: str, report: Report) -> SearchAnswer:
    """Drive a run until its cycles or its budget are spent.

    Raises:
        ConfigError: the run is no search, or another one than is asked for.
        StoreBusy: another process drives it.
        ProposerError: the proposer failed; the same job again goes on.
        SandboxError: candidates cannot be run.
    """
    if asked.run not in bench.store.runs():
        begin_search(bench.store, asked.run, search_of(asked, device))
    config = check_search(bench.store, asked, device)
    minutes = asked.max_minutes
    config = with_budget(config, None, None if minutes is None else minutes * 60)
    report(0, None, f"preparing {config.measurement.dataset}")
    evaluators = bench.evaluators(config)
    proposers = bench.proposers(config, run=asked.run)
    view = _View(asked.run, report)
    tuner = tuner_of(bench, asked.run, config, view)
    finished = Loop(
        asked.run, config, bench.store, evaluators, proposers, view, tuner=tuner
    ).drive()
    ledger = finished.ledger
    standings = leaderboard(
        bench.store, Wanted(dataset=asked.dataset, run=asked.run, split="search", limit=NUM_BEST)
    )
    return SearchAnswer(
        run=asked.run,
        answers=ledger.answers,
        kept=ledger.kept,
        improved=ledger.improved,
        seconds=ledger.seconds,
        stopped=finished.reason,
        best=summaries_of(standings),
    )


def search_of(asked: SearchArguments, device: str) -> RunConfig:
    """Return the configuration of a run that does not exist yet.

    Raises:
        ConfigError: the model's file cannot be read or understood, or a value is out of range.
    """
    values: dict[str, object] = {"baselines": list(asked.baselines)} if asked.baselines else {}
    return with_model(
        asked.model,
        cycles=asked.cycles,
        candidates=asked.candidates,
        seed=asked.seed,
        measurement={"dataset": asked.dataset, "device": device},
        **values,
    )


def check_search(store: Store, asked: SearchArguments, device: str) -> RunConfig:
    """Return the configuration of what is asked for; that of the run, where it was begun.

    Raises:
        ConfigError: the run is no search, or another one, or the arguments make none.
    """
    wanted = search_of(asked, device)
    if asked.run not in store.runs():
        return wanted
    found = search_config(store, asked.run)
    if found != wanted:
        differs = [key for key in RunConfig.model_fields if vars(found)[key] != vars(wanted)[key]]
        raise ConfigError(
            f"the store has a run {asked.run!r} that differs in {', '.join(differs)}: give the "
            "same arguments to go on with it, or another run name to begin a new one"
        )
    return found


@dataclass
class _View:
    """Turns the loop's events into progress: candidates that have ended, of all."""

    run: str
    report: Report
    _total: int | None = None
    _done: int = 0
    _kept: int = 0
    _best: float = field(default=0.0)

    def __call__(self, event: Event) -> None:
        match event:
            case Begun():
                self._total = event.num_candidates
                self.report(0, self._total, "measuring the baselines")
            case BaselineMeasured(evaluation=None):
                self.report(0, self._total, f"{event.name} cannot be measured; left out")
            case BaselineMeasured(evaluation=evaluation) if evaluation is not None:
                self._best = max(self._best, evaluation.accuracy)
                self.report(0, self._total, f"{event.name} has {evaluation.accuracy:.4f}")
            case SlotSkipped():
                self._done += 1
            case AnswerEnded():
                self._ended(event)

    def _ended(self, event: AnswerEnded) -> None:
        outcome = event.outcome
        self._done += event.slot_ended
        if isinstance(outcome, Kept):
            self._kept += 1
            self._best = max(self._best, outcome.evaluation.accuracy)
        name = f"{self.run}/{outcome.pending.key.name}"
        words = f"{name} ended; {self._kept} kept, best accuracy {self._best:.4f}"
        self.report(self._done, self._total, words)
