"""What can be concluded from the runs of a report, and what cannot, in sentences."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from math import erfc, sqrt
from statistics import fmean

from deltanas_agent.noise import DEVIATIONS
from deltanas_agent.rates import wilson
from deltanas_agent.report.arms import Arm, Compared, best_so_far, spending
from deltanas_agent.report.facts import Facts, RunFacts, Task, Trained, accuracies
from deltanas_agent.report.tree import best_of
from deltanas_repo_store.records import Record

BY_LUCK = erfc(DEVIATIONS / sqrt(2)) / 2
"""Share of differences of two equally good networks that is beyond the noise floor."""
UNEQUAL = 1.1
"""Ratio of two budgets from which it is said that they differ."""


class Sentence(Record):
    """One conclusion."""

    is_open: bool
    """True where it says that something cannot be told."""
    words: str


def conclusions(
    facts: Facts, arms: Sequence[Arm], compared: Sequence[Compared]
) -> tuple[Sentence, ...]:
    """Return the conclusions: of each run, then of the arms side by side."""
    found = [each for run in facts.runs for each in _of_run(run)]
    if len(arms) > 1:
        found += _side_by_side(arms, compared)
    return tuple(found)


def _of_run(run: RunFacts) -> Iterator[Sentence]:
    if not run.trained:
        yield Sentence(is_open=True, words=f"{run.name}: nothing was trained, so nothing is known.")
        return
    tasks = dict.fromkeys(each.task for each in run.trained)
    for task in tasks:
        yield _best_against_baseline(run, task)
    yield _improved(run)


def _best_against_baseline(run: RunFacts, task: Task) -> Sentence:
    [best] = best_of([each for each in run.trained if each.task == task], 1)
    start = f"{run.name}: the best is {best.entry.name}, {_accuracy(best)} on {task[0]}"
    measured = {each.name: accuracies(each.evaluations, task) for each in run.baselines}
    name, of_baseline = max(
        ((name, each) for name, each in measured.items() if each),
        key=lambda item: fmean(item[1]),
        default=("", ()),
    )
    if not of_baseline:
        return Sentence(is_open=True, words=f"{start}; no baseline was measured on this task.")
    gain = best.mean - fmean(of_baseline)
    against = f"{start}; the best baseline is {name}, {_mean(of_baseline)}: {gain:+.4f}"
    floor = best.outcome.noise_floor
    if floor is None:
        words = f"{against}. No noise floor is known: whether that is luck cannot be told."
        return Sentence(is_open=True, words=words)
    # The floor is of two single measurements; of means over n and m seeds it is so much lower.
    fair = floor * sqrt((1 / len(best.accuracies) + 1 / len(of_baseline)) / 2)
    if gain > fair:
        words = f"{against}, beyond the noise of such means ({fair:.4f})."
        return Sentence(is_open=False, words=words + _picked(best))
    words = f"{against}, within the noise of such means ({fair:.4f}): it cannot be told from luck."
    return Sentence(is_open=True, words=words)


def _picked(best: Trained) -> str:
    if len(best.accuracies) > 1:
        return " It was picked for some of these numbers; the test split is the fair one."
    return " It was picked for this one number, so that the true gain is probably smaller."


def _accuracy(trained: Trained) -> str:
    return _mean(trained.accuracies)


def _mean(found: Sequence[float]) -> str:
    seeds = f"mean of {len(found)} seeds" if len(found) > 1 else "one seed"
    return f"{fmean(found):.4f} ({seeds})"


def _improved(run: RunFacts) -> Sentence:
    judged = [each for each in run.trained if each.outcome.noise_floor is not None]
    count = sum(each.outcome.improved for each in judged)
    if not judged:
        words = f"{run.name}: no candidate was judged by a noise floor; `improved` means any gain."
        return Sentence(is_open=True, words=words)
    low, high = wilson(count, len(judged))
    shown = (
        f"{run.name}: {count} of {len(judged)} trained candidates are better than their parent "
        f"beyond the noise floor ({count / len(judged):.1%} [{low:.1%}, {high:.1%}]); of equally "
        f"good ones luck would take {BY_LUCK:.1%} there"
    )
    if low > BY_LUCK:
        return Sentence(is_open=False, words=f"{shown}, so that not all of them are luck.")
    return Sentence(is_open=True, words=f"{shown}: they may all be luck.")


def _side_by_side(arms: Sequence[Arm], compared: Sequence[Compared]) -> Iterator[Sentence]:
    for first, second in combinations(arms, 2):
        yield from _quantities(first, second, compared)
        yield from _budgets(first, second)
        yield _best_at_equal_budget(first, second)
    words = (
        "Each arm ran with one seed. What another run of the same search would give is not known: "
        "the intervals are about the candidates of these runs, not about runs."
    )
    yield Sentence(is_open=True, words=words)


def _quantities(first: Arm, second: Arm, compared: Sequence[Compared]) -> Iterator[Sentence]:
    """Say in which quantities two arms differ, and of which that cannot be said."""
    found: dict[str, list[str]] = {"above": [], "below": [], "open": []}
    for row in compared:
        for pair in row.pairs:
            if (pair.first, pair.second) == (first.name, second.name):
                found[pair.verdict].append(row.what)
    for verdict in ("above", "below"):
        if found[verdict]:
            words = (
                f"{first.name} is {verdict} {second.name}, and the intervals do not overlap: "
                f"{'; '.join(found[verdict])}."
            )
            yield Sentence(is_open=False, words=words)
    if found["open"]:
        words = (
            f"Whether {first.name} is better than {second.name} cannot be concluded where the "
            f"intervals overlap: {'; '.join(found['open'])}."
        )
        yield Sentence(is_open=True, words=words)


def _budgets(first: Arm, second: Arm) -> Iterator[Sentence]:
    a, b = spending(first), spending(second)
    pairs = {
        "answers": (a.num_answers, b.num_answers),
        "seconds": (a.seconds, b.seconds),
        "tokens": (a.tokens, b.tokens),
    }
    unequal = [
        f"{mine:,.0f} and {theirs:,.0f} {unit}"
        for unit, (mine, theirs) in pairs.items()
        if max(mine, theirs) > UNEQUAL * min(mine, theirs)
    ]
    if unequal:
        words = (
            f"{first.name} and {second.name} spent unequal budgets: {', '.join(unequal)}. Their "
            "best can be compared at an equal budget alone."
        )
        yield Sentence(is_open=True, words=words)


def _best_at_equal_budget(first: Arm, second: Arm) -> Sentence:
    shared = [task for task in first.tasks if task in second.tasks]
    both = f"{first.name} and {second.name}"
    if not shared:
        words = f"{both} were measured on different tasks: their accuracies cannot be compared."
        return Sentence(is_open=True, words=words)
    num = min(len(first.ended), len(second.ended))
    mine, theirs = (best_so_far(each, shared[0]).accuracy[num - 1] for each in (first, second))
    floors = [each.outcome.noise_floor or 0.0 for each in (*first.trained, *second.trained)]
    at = f"{both}: after {num} answers each the best first measurements are"
    shown = f"{at} {mine:.4f} and {theirs:.4f}"
    if abs(mine - theirs) <= max(floors):
        words = f"{shown}; they differ by no more than the noise floor: no conclusion."
        return Sentence(is_open=True, words=words)
    words = (
        f"{shown}: the two networks differ by more than the noise floor, which does not say that "
        "one arm finds better ones in general."
    )
    return Sentence(is_open=True, words=words)
