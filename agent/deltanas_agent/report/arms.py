"""The arms of a report, each a way of proposing in one run, and what can be said of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate
from statistics import fmean

from deltanas_agent.config import RunConfig
from deltanas_agent.rates import STEPS, Rates, rates
from deltanas_agent.report.facts import Ended, Facts, Refused, RunFacts, Task, Trained, accuracies
from deltanas_agent.report.statistics import Estimate, Pair, compare, mean_by_group, share
from deltanas_agent.slots import slot_of_key
from deltanas_repo_store.records import Record


class Arm(Record):
    """The answers to one way of proposing in one run."""

    name: str
    run: str
    proposer: str
    ended: tuple[Ended, ...]

    @property
    def trained(self) -> tuple[Trained, ...]:
        """Return the candidates that were trained and kept."""
        return tuple(each for each in self.ended if isinstance(each, Trained))

    @property
    def refused(self) -> tuple[Refused, ...]:
        """Return the answers that a gate closed on."""
        return tuple(each for each in self.ended if isinstance(each, Refused))

    @property
    def rates(self) -> Rates:
        """Return how far its answers came."""
        return rates(each.entry for each in self.ended)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Return what its candidates were measured on, the most frequent first."""
        return tuple(task for task, _ in Counter(each.task for each in self.trained).most_common())


class Spending(Record):
    """What an arm's answers took."""

    num_answers: int
    input_tokens: int
    output_tokens: int
    seconds: float
    """Wall time spent on its candidates, one after the other."""
    training_seconds: float
    """What of it the trainings of kept candidates took, scoring included."""
    num_trained: int
    num_improved: int

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.input_tokens + self.output_tokens


class Best(Record):
    """The best so far as a budget is spent; one entry for each answer that ended."""

    answers: tuple[int, ...]
    seconds: tuple[float, ...]
    tokens: tuple[int, ...]
    accuracy: tuple[float, ...]
    """Of the first measurements; 0 before the first."""


class Compared(Record):
    """One quantity of several arms."""

    what: str
    estimates: tuple[Estimate | None, ...]
    """One for each arm; None where it has none."""
    pairs: tuple[Pair, ...]


def arms(facts: Facts) -> tuple[Arm, ...]:
    """Return the arms of all runs; the only one of a run has the run's name."""
    return tuple(arm for run in facts.runs for arm in _arms_of(run))


def _arms_of(run: RunFacts) -> Iterable[Arm]:
    named = _naming(run)
    names = dict.fromkeys(named(each) for each in run.ended)
    for name in names:
        ended = tuple(each for each in run.ended if named(each) == name)
        yield Arm(
            name=run.name if len(names) == 1 else f"{run.name} · {name}",
            run=run.name,
            proposer=", ".join(dict.fromkeys(each.entry.proposer for each in ended)),
            ended=ended,
        )


def _naming(run: RunFacts) -> Callable[[Ended], str]:
    """Return what tells an answer's arm: the run's configuration, or else who proposed."""
    resolved = run.config.get("config")
    if not isinstance(resolved, dict) or not resolved.get("arms"):
        return lambda ended: ended.entry.proposer
    config = RunConfig.model_validate(resolved)
    return lambda ended: slot_of_key(config, ended.entry.key).arm


def by_cycle(arm: Arm) -> dict[int, Rates]:
    """Return how far the answers of each cycle came."""
    cycles: dict[int, list[Ended]] = {}
    for each in arm.ended:
        cycles.setdefault(each.entry.key.cycle, []).append(each)
    return {cycle: rates(each.entry for each in cycles[cycle]) for cycle in sorted(cycles)}


def spending(arm: Arm) -> Spending:
    """Return what an arm's answers took."""
    proposals = [each.outcome.pending.proposal for each in arm.ended]
    return Spending(
        num_answers=len(arm.ended),
        input_tokens=sum(each.input_tokens for each in proposals),
        output_tokens=sum(each.output_tokens for each in proposals),
        seconds=sum(each.entry.seconds for each in arm.ended),
        training_seconds=sum(each.outcome.evaluation.seconds for each in arm.trained),
        num_trained=len(arm.trained),
        num_improved=sum(each.entry.improved for each in arm.trained),
    )


def best_so_far(arm: Arm, task: Task) -> Best:
    """Return the best accuracy so far on a task, answer by answer."""
    reached = [
        each.entry.accuracy if isinstance(each, Trained) and each.task == task else 0.0
        for each in arm.ended
    ]
    return Best(
        answers=tuple(range(1, len(reached) + 1)),
        seconds=tuple(accumulate(each.entry.seconds for each in arm.ended)),
        tokens=tuple(accumulate(each.entry.tokens for each in arm.ended)),
        accuracy=tuple(accumulate(reached, max)),
    )


def best_baseline(run: RunFacts, task: Task) -> float | None:
    """Return the best mean accuracy of a baseline on a task; None where none was measured."""
    found = [accuracies(each.evaluations, task) for each in run.baselines]
    return max((fmean(each) for each in found if each), default=None)


def comparisons(compared: Sequence[Arm]) -> tuple[Compared, ...]:
    """Compare arms: the shares that reach each step, then accuracies task by task."""
    rows = [
        _compared(f"{step}, of first answers", compared, partial(_first, step=step))
        for step in STEPS[1:]
    ]
    rows += [
        _compared(f"{step}, with retries", compared, partial(_retried, step=step))
        for step in ("trained", "improved")
    ]
    for task in dict.fromkeys(task for arm in compared for task in arm.tasks):
        rows += [
            _compared(f"mean accuracy, {task[0]}", compared, partial(_accuracy, task=task)),
            _compared(f"mean gain, {task[0]}", compared, partial(_gain, task=task)),
        ]
    return tuple(rows)


def _compared(
    what: str, compared: Sequence[Arm], estimate: Callable[[Arm], Estimate | None]
) -> Compared:
    estimates = tuple(estimate(arm) for arm in compared)
    known = [(arm.name, each) for arm, each in zip(compared, estimates, strict=True) if each]
    return Compared(what=what, estimates=estimates, pairs=compare(known))


def _first(arm: Arm, step: str) -> Estimate | None:
    funnel = arm.rates.first
    return share(getattr(funnel, step), funnel.answered) if funnel.answered else None


def _retried(arm: Arm, step: str) -> Estimate | None:
    funnel = arm.rates.with_retries
    return share(getattr(funnel, step), funnel.answered) if funnel.answered else None


def _accuracy(arm: Arm, task: Task) -> Estimate | None:
    found = [each for each in arm.trained if each.task == task]
    return mean_by_group(
        [each.entry.accuracy for each in found], [each.entry.parent for each in found]
    )


def _gain(arm: Arm, task: Task) -> Estimate | None:
    found = [each for each in arm.trained if each.task == task]
    return mean_by_group(
        [each.outcome.gain for each in found], [each.entry.parent for each in found]
    )
