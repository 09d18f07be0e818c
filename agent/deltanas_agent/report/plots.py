"""Which figures a report has: what of the facts goes into each, and under which name."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from deltanas_agent.rates import STEPS, Funnel
from deltanas_agent.report.arms import Arm, best_baseline, best_so_far, by_cycle
from deltanas_agent.report.facts import Facts, RunFacts, Task
from deltanas_agent.report.figures import (
    Curve,
    Dot,
    best_curves,
    count_bars,
    dots_by_cycle,
    histogram,
    share_bars,
    shares_by_cycle,
)
from deltanas_agent.report.results import Reason
from deltanas_agent.report.statistics import Estimate, share
from deltanas_agent.report.svg import span


class Plot(NamedTuple):
    """A figure with its place on the page."""

    section: str
    name: str
    """Stem of its file."""
    caption: str
    svg: str


def plots(facts: Facts, arms: Sequence[Arm], reasons: Sequence[Reason]) -> tuple[Plot, ...]:
    """Return the figures, in the order of the page."""
    if not arms:
        return ()
    return (
        *_funnel(arms),
        *_accuracy(facts),
        *_best(facts, arms),
        *_reasons(arms, reasons),
        *_novelty(arms),
    )


def _funnel(arms: Sequence[Arm]) -> Iterator[Plot]:
    caption = "Share of first answers that reached each step, with 95 % intervals (Wilson)"
    first = {arm.name: _shares(arm.rates.first) for arm in arms}
    yield Plot("funnel", "funnel-first", caption, share_bars(caption, STEPS[1:], first))
    caption = "Share of candidates, retries counted, that reached each step"
    retried = {arm.name: _shares(arm.rates.with_retries) for arm in arms}
    yield Plot("funnel", "funnel-with-retries", caption, share_bars(caption, STEPS[1:], retried))
    caption = "Share of candidates that were trained, by cycle, with 95 % intervals"
    trained = {
        arm.name: {
            cycle: share(rates.with_retries.trained, rates.with_retries.answered)
            for cycle, rates in by_cycle(arm).items()
        }
        for arm in arms
    }
    yield Plot("funnel", "trained-by-cycle", caption, shares_by_cycle(caption, trained))


def _shares(funnel: Funnel) -> list[Estimate]:
    return [share(getattr(funnel, step), funnel.answered) for step in STEPS[1:]]


def _accuracy(facts: Facts) -> Iterator[Plot]:
    for run in facts.runs:
        for at, task in enumerate(_tasks(run), start=1):
            found = [each for each in run.trained if each.task == task]
            floor = max((each.outcome.noise_floor or 0.0 for each in found), default=0.0)
            of = f"{run.name}, {found[0].outcome.evaluation.title}"
            accuracy = [
                Dot(each.entry.key.cycle, each.entry.accuracy, each.outcome.improved)
                for each in found
            ]
            caption = f"Accuracies of what was trained, by cycle, with quartiles: {of}"
            svg = dots_by_cycle(
                caption,
                "accuracy",
                accuracy,
                mark=best_baseline(run, task),
                mark_name="best baseline, mean over seeds",
            )
            yield Plot("accuracy", f"accuracy-{run.name}-{at}", caption, svg)
            gains = [Dot(each.cycle, 0.0, each.is_improved) for each in accuracy]
            gains = [
                dot._replace(value=each.outcome.gain)
                for dot, each in zip(gains, found, strict=True)
            ]
            caption = f"Gains over the parent, by cycle, with quartiles: {of}"
            svg = dots_by_cycle(caption, "gain", gains, mark=floor or None, mark_name="noise floor")
            yield Plot("accuracy", f"gain-{run.name}-{at}", caption, svg)


def _tasks(run: RunFacts) -> list[Task]:
    return list(dict.fromkeys(each.task for each in run.trained))


def _best(facts: Facts, arms: Sequence[Arm]) -> Iterator[Plot]:
    tasks = dict.fromkeys(task for arm in arms for task in arm.tasks)
    for at, task in enumerate(tasks, start=1):
        measured = [arm for arm in arms if task in arm.tasks]
        runs = {arm.run for arm in measured}
        levels = [best_baseline(run, task) for run in facts.runs if run.name in runs]
        level = max((each for each in levels if each is not None), default=None)
        for unit in ("answers", "seconds", "tokens"):
            curves = [_curve(arm, task, unit) for arm in measured]
            if not any(curve.spent[-1] for curve in curves):
                continue  # no model, no tokens
            caption = f"Best first measurement so far against {unit}: {task[0]}"
            svg = best_curves(caption, unit, curves, baseline=level)
            yield Plot("best", f"best-by-{unit}-{at}", caption, svg)


def _curve(arm: Arm, task: Task, unit: str) -> Curve:
    best = best_so_far(arm, task)
    spent: Mapping[str, Sequence[float]] = {
        "answers": best.answers,
        "seconds": best.seconds,
        "tokens": best.tokens,
    }
    return Curve(arm.name, spent[unit], best.accuracy)


def _reasons(arms: Sequence[Arm], found: Sequence[Reason]) -> Iterator[Plot]:
    if found:
        caption = "Rejected answers by the gate that closed and the kind of fault"
        counts = {f"{each.stage}: {each.code}": each.counts for each in found[:20]}
        svg = count_bars(caption, counts, [arm.name for arm in arms])
        yield Plot("rejections", "rejections", caption, svg)


def similarities(arm: Arm) -> list[float]:
    """Return how similar to its nearest each was that came as far as the novelty check."""
    reports = [each.outcome.novelty for each in arm.ended]
    return [each.similarity for each in reports if each is not None]


def thresholds(arm: Arm) -> set[float]:
    """Return from which similarity answers were refused."""
    reports = [each.outcome.novelty for each in arm.ended]
    return {each.threshold for each in reports if each is not None}


def _novelty(arms: Sequence[Arm]) -> Iterator[Plot]:
    found = {arm.name: similarities(arm) for arm in arms}
    if any(found.values()):
        caption = "Similarity to the nearest architecture of the store (Jaccard, of shingles)"
        marks = {f"threshold {each:g}": each for arm in arms for each in thresholds(arm)}
        low, _ = span([value for values in found.values() for value in values])
        ends = (max(min(low, 0.8), 0.0), 1.0)
        svg = histogram(caption, "similarity", found, ends=ends, marks=marks)
        yield Plot("novelty", "novelty", caption, svg)
