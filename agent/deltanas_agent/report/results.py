"""What runs came to: reasons for rejections, noise floors, the best and their final results."""

import math
from collections.abc import Iterable, Sequence
from statistics import fmean, stdev

import numpy as np

from deltanas_agent.noise import DEVIATIONS, noise_floor
from deltanas_agent.report.arms import Arm
from deltanas_agent.report.facts import Refused, RunFacts, Task, accuracies
from deltanas_agent.report.statistics import Estimate, ratio, share
from deltanas_agent.report.tree import Delta, best_of, delta_lines
from deltanas_repo_store.records import PLAIN, Evaluation, Fraction, Record

NUM_EXAMPLES = 2
"""Of each reason, with different messages where there are."""
MAX_ANSWER_LINES = 15


class Example(Record):
    """A rejected answer, as far as it is shown."""

    name: str
    change: str
    message: str
    delta: Delta
    """What it would have changed; the first lines of the answer where nothing could be applied."""


class Reason(Record):
    """Why answers were rejected: a gate and a kind of fault."""

    stage: str
    code: str
    shares: tuple[Estimate, ...]
    """Of an arm's answers, one for each arm."""
    counts: tuple[int, ...]
    examples: tuple[Example, ...]


def reasons(arms: Sequence[Arm]) -> tuple[Reason, ...]:
    """Return the reasons for rejections, the most frequent first."""
    found: dict[tuple[str, str], list[list[Refused]]] = {}
    for at, arm in enumerate(arms):
        for each in arm.refused:
            kind = (each.entry.stage, each.entry.code)
            found.setdefault(kind, [[] for _ in arms])[at].append(each)
    ordered = sorted(found.items(), key=lambda item: -sum(map(len, item[1])))
    return tuple(
        Reason(
            stage=stage,
            code=code,
            counts=tuple(map(len, by_arm)),
            shares=tuple(
                share(len(each), len(arm.ended)) for each, arm in zip(by_arm, arms, strict=True)
            ),
            examples=_examples([each for found_in in by_arm for each in found_in]),
        )
        for (stage, code), by_arm in ordered
    )


def _examples(refused: Sequence[Refused]) -> tuple[Example, ...]:
    by_message = {each.outcome.rejection.message: each for each in reversed(refused)}
    chosen = [*reversed(by_message.values()), *refused]
    unique = {each.entry.id: each for each in chosen}
    return tuple(_example(each) for each in list(unique.values())[:NUM_EXAMPLES])


def _example(refused: Refused) -> Example:
    outcome = refused.outcome
    answer = outcome.pending.proposal.answer.split("\n")
    delta = outcome.delta or "\n".join(answer[:MAX_ANSWER_LINES])
    shown = delta_lines(delta)
    left_out = 0 if outcome.delta else max(len(answer) - MAX_ANSWER_LINES, 0)
    return Example(
        name=refused.entry.name,
        change=outcome.pending.proposal.summary,
        message=outcome.rejection.message,
        delta=shown.model_copy(update={"num_left_out": shown.num_left_out + left_out}),
    )


class Floor(Record):
    """The noise floor of a run on one task."""

    run: str
    title: str
    used: tuple[float, ...]
    """What the run's candidates were judged by; empty where it knew none."""
    estimate: Estimate | None
    """From the baselines, with its interval; None where too few have several seeds."""
    num_architectures: int
    num_measurements: int


def floors(run: RunFacts) -> tuple[Floor, ...]:
    """Return the noise floors of a run, task by task."""
    found: dict[Task, str] = {each.task: each.outcome.evaluation.title for each in run.trained}
    return tuple(_floor(run, task, title) for task, title in found.items())


def _floor(run: RunFacts, task: Task, title: str) -> Floor:
    several = [
        found
        for found in (accuracies(each.evaluations, task) for each in run.baselines)
        if len(found) > 1
    ]
    used = {each.outcome.noise_floor for each in run.trained if each.task == task}
    return Floor(
        run=run.name,
        title=title,
        used=tuple(sorted(each for each in used if each is not None)),
        estimate=_floor_estimate(several),
        num_architectures=len(several),
        num_measurements=sum(map(len, several)),
    )


def _floor_estimate(several: Sequence[Sequence[float]]) -> Estimate | None:
    """Return the floor with its bootstrap interval over architectures: a root of a ratio of sums.

    Of too few architectures for one, None.
    """
    squares = np.array([np.var(each) * len(each) for each in several])
    degrees = np.array([len(each) - 1.0 for each in several])
    variance = ratio(squares, degrees, num=sum(map(len, several)))
    floor = noise_floor(several)
    if variance is None or floor is None:
        return None
    low, high = (DEVIATIONS * math.sqrt(2.0 * each) for each in (variance.low, variance.high))
    return Estimate(value=floor, low=low, high=high, num=variance.num)


class Scored(Record):
    """An accuracy over seeds."""

    title: str
    """What was measured and how."""
    mean: Fraction
    spread: float
    """Standard deviation over seeds; 0 with one."""
    num_seeds: int


class Final(Record):
    """One of a run's best, and its results on the test split where it was measured on it."""

    name: str
    change: str
    num_params: int
    search: Scored
    """On what the run selected by."""
    test: tuple[Scored, ...]
    """On the test split; empty where that has not been measured."""
    command: str
    """What measures it."""


def finals(run: RunFacts, count: int) -> tuple[Final, ...]:
    """Return the best of a run with their final results."""
    return tuple(
        Final(
            name=each.entry.name,
            change=each.outcome.pending.proposal.summary,
            num_params=each.entry.num_params,
            search=_scored([found for found in each.evaluations if _same(found, each.task)])[0],
            test=_on_test(each.evaluations),
            command=_command(each.entry.name, each.outcome.evaluation),
        )
        for each in best_of(run.trained, count)
    )


def _same(evaluation: Evaluation, task: Task) -> bool:
    return (evaluation.task, evaluation.dataset_digest) == task


def _on_test(evaluations: Iterable[Evaluation]) -> tuple[Scored, ...]:
    return _scored([each for each in evaluations if each.split == "test"])


def _scored(evaluations: Sequence[Evaluation]) -> tuple[Scored, ...]:
    groups: dict[Task, list[Evaluation]] = {}
    for each in evaluations:
        groups.setdefault((each.task, each.dataset_digest), []).append(each)
    return tuple(
        Scored(
            title=found[0].title,
            mean=fmean(each.accuracy for each in found),
            spread=stdev([each.accuracy for each in found]) if len(found) > 1 else 0.0,
            num_seeds=len(found),
        )
        for found in groups.values()
    )


def _command(name: str, evaluation: Evaluation) -> str:
    """Return what measures the same on the test split, with as many seeds as a floor asks for."""
    budget, kind = evaluation.budget_seconds, evaluation.device.partition(":")[0]
    words = [
        f"deltanas train {name} --store STORE --split test --dataset {evaluation.dataset}",
        f"--epochs {evaluation.epochs} --seed {evaluation.seed} --seeds 3",
        *([f"--budget-seconds {budget:g}"] if budget is not None else []),
        *([f"--transform {evaluation.transform}"] if evaluation.transform != PLAIN else []),
        *([f"--device {kind}"] if kind != "cpu" else []),
        *([f"--precision {evaluation.precision}"] if evaluation.precision != "float32" else []),
        *(["--channels-last"] if evaluation.channels_last else []),
    ]
    return " ".join(words)
