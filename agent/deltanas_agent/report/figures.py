"""The figures of a report. Each returns one SVG; none shows anything that no table has."""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from deltanas_agent.report.statistics import Estimate, quartiles
from deltanas_agent.report.svg import (
    BOTTOM,
    LEFT,
    LINE,
    RIGHT,
    WIDTH,
    Scale,
    circle,
    colour,
    figure,
    frame,
    legend,
    level,
    line,
    path,
    rect,
    span,
    text,
)

PLOT = 190
"""Height of a plotting area."""
MAX_DOTS = 1500
"""Dots of a figure; of more, as many are drawn by lot."""


class Curve(NamedTuple):
    """The best so far of one arm: what was spent, and the accuracy that was reached."""

    name: str
    spent: Sequence[float]
    accuracy: Sequence[float]


class Dot(NamedTuple):
    """A candidate of a cycle."""

    cycle: int
    value: float
    is_improved: bool


def share_bars(label: str, steps: Sequence[str], arms: Mapping[str, Sequence[Estimate]]) -> str:
    """Return bars of shares with their intervals, step by step and arm by arm."""
    top = LINE * len(arms) + 8
    block = 9.0 * len(arms) + 9
    x = Scale(0.0, 1.0, 80, RIGHT)
    end = top + block * len(steps)
    parts = legend(list(arms))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(line(x(share), top, x(share), end, "grid"))
        parts.append(text(x(share), end + 14, f"{share:.0%}", "", "middle"))
    for at, step in enumerate(steps):
        y = top + block * at + 4
        parts.append(text(74, y + block / 2, step, "", "end"))
        for place, estimates in enumerate(arms.values()):
            parts += _bar(x, y + 9 * place, estimates[at], colour(place))
    return figure(end + 20, label, parts)


def _bar(x: Scale, y: float, estimate: Estimate, kind: str) -> list[str]:
    middle = y + 3.5
    return [
        rect(x(0), y, x(estimate.value) - x(0), 7, f"fill bar {kind}"),
        line(x(estimate.low), middle, x(estimate.high), middle, "whisker"),
        line(x(estimate.low), middle - 3, x(estimate.low), middle + 3, "whisker"),
        line(x(estimate.high), middle - 3, x(estimate.high), middle + 3, "whisker"),
    ]


def shares_by_cycle(label: str, arms: Mapping[str, Mapping[int, Estimate]]) -> str:
    """Return a share of each cycle with its interval, a line for each arm."""
    top = LINE * len(arms) + 24
    cycles = [cycle for each in arms.values() for cycle in each]
    x = Scale(*span([0.5, *cycles, max(cycles) + 0.5], margin=0), LEFT, RIGHT)
    y = Scale(0.0, 1.0, top + PLOT, top)
    parts = [*legend(list(arms)), *frame(x, y, "cycle", "share", has_whole_ticks=True)]
    for place, estimates in enumerate(arms.values()):
        beside = 3 * (place - (len(arms) - 1) / 2)
        points = [(x(cycle) + beside, y(each.value)) for cycle, each in estimates.items()]
        parts.append(path(points, f"series {colour(place)}"))
        for (at, middle), each in zip(points, estimates.values(), strict=True):
            parts.append(line(at, y(each.low), at, y(each.high), f"thin {colour(place)}"))
            parts.append(circle(at, middle, 2.5, f"fill {colour(place)}"))
    return figure(top + PLOT + BOTTOM, label, parts)


def dots_by_cycle(
    label: str, name: str, dots: Sequence[Dot], *, mark: float | None, mark_name: str
) -> str:
    """Return every candidate as a dot and each cycle's quartiles; ``mark`` is a line across."""
    top = LINE + 40
    values = [each.value for each in dots] + ([] if mark is None else [mark])
    last = max(each.cycle for each in dots)
    x = Scale(0.4, last + 0.6, LEFT, RIGHT)
    y = Scale(*span(values), top + PLOT, top)
    parts = [circle(8, 6, 3, "fill dot improved"), text(16, 10, "improved beyond noise")]
    parts += frame(x, y, "cycle", name, has_whole_ticks=True)
    rng = random.Random(len(dots))  # places beside each other, the same each time
    drawn = dots if len(dots) <= MAX_DOTS else rng.sample(list(dots), MAX_DOTS)
    for each in drawn:
        kind = "fill dot improved" if each.is_improved else "fill dot"
        parts.append(circle(x(each.cycle + rng.uniform(-0.25, 0.25)), y(each.value), 2.2, kind))
    for cycle in range(1, last + 1):
        parts += _box(x, y, cycle, [each.value for each in dots if each.cycle == cycle])
    if mark is not None:
        parts += level(x, y, mark, 10 + LINE, mark_name)
    return figure(top + PLOT + BOTTOM, label, parts)


def _box(x: Scale, y: Scale, cycle: int, values: Sequence[float]) -> list[str]:
    if len(values) < 4:  # fewer have no quartiles worth drawing
        return []
    low, middle, high = (y(each) for each in quartiles(values))
    left, right = x(cycle - 0.33), x(cycle + 0.33)
    return [
        rect(left, high, right - left, low - high, "box"),
        line(left, middle, right, middle, "median"),
    ]


def best_curves(label: str, unit: str, curves: Sequence[Curve], *, baseline: float | None) -> str:
    """Return the best so far against what was spent, as steps; a line is the best baseline."""
    top = LINE * (len(curves) + (baseline is not None)) + 24
    known = [each for each in curves if any(each.accuracy)]
    values = [value for each in known for value in each.accuracy if value > 0]
    values += [] if baseline is None else [baseline]
    most = max((each.spent[-1] for each in curves if each.spent), default=1.0)
    x = Scale(0.0, most or 1.0, LEFT, RIGHT)
    y = Scale(*span(values), top + PLOT, top)
    parts = [
        *legend([each.name for each in curves]),
        *frame(x, y, unit, "best accuracy so far"),
    ]
    for place, each in enumerate(curves):
        points = _stairs(each, x, y)
        if points:
            parts.append(path(points, f"series {colour(place)}"))
    if baseline is not None:
        parts += level(x, y, baseline, 10 + LINE * len(curves), "best baseline, mean over seeds")
    return figure(top + PLOT + BOTTOM, label, parts)


def _stairs(curve: Curve, x: Scale, y: Scale) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    height = 0.0
    for spent, accuracy in zip(curve.spent, curve.accuracy, strict=True):
        if accuracy > height:
            if height:
                points.append((x(spent), y(height)))
            points.append((x(spent), y(accuracy)))
            height = accuracy
    return [*points, (x(curve.spent[-1]), y(height))] if points else []


def histogram(
    label: str,
    x_name: str,
    arms: Mapping[str, Sequence[float]],
    *,
    ends: tuple[float, float],
    marks: Mapping[str, float],
    num_bins: int = 20,
) -> str:
    """Return how often values fall into equal bins, the arms' shares beside each other."""
    low, high = ends
    width = (high - low) / num_bins
    counts = {name: _binned(values, low, width, num_bins) for name, values in arms.items()}
    top = LINE * (len(arms) + bool(marks)) + 24
    x = Scale(low, high, LEFT, RIGHT)
    most = max((max(each) for each in counts.values()), default=1)
    y = Scale(0.0, most or 1, top + PLOT, top)
    parts = [*legend(list(arms)), *frame(x, y, x_name, "candidates")]
    room = (RIGHT - LEFT) / num_bins / len(arms)
    for place, bins in enumerate(counts.values()):
        for at, count in enumerate(bins):
            left = x(low + at * width) + place * room
            parts.append(rect(left, y(count), room - 0.5, y(0) - y(count), f"fill {colour(place)}"))
    for value in marks.values():
        parts.append(line(x(value), top, x(value), top + PLOT, "level"))
    if marks:
        at = 10 + LINE * len(arms)
        parts += [line(4, at - 4, 24, at - 4, "level"), text(30, at, ", ".join(marks))]
    return figure(top + PLOT + BOTTOM, label, parts)


def _binned(values: Sequence[float], low: float, width: float, num_bins: int) -> list[int]:
    bins = [0] * num_bins
    for value in values:
        bins[min(max(int((value - low) / width), 0), num_bins - 1)] += 1
    return bins


def count_bars(label: str, counts: Mapping[str, Sequence[int]], arms: Sequence[str]) -> str:
    """Return bars of counts, a group of arms for each name."""
    top = LINE * len(arms) + 6
    block = 9.0 * len(arms) + LINE + 4
    most = max((max(each) for each in counts.values()), default=1)
    x = Scale(0.0, most or 1, 8, WIDTH - 40)
    parts = legend(list(arms))
    put = partial(text, kind="", anchor="start")
    for at, (name, found) in enumerate(counts.items()):
        y = top + block * at + LINE
        parts.append(put(8, y - 3, name))
        for place, count in enumerate(found):
            parts.append(rect(8, y + 9 * place, x(count) - 8, 7, f"fill {colour(place)}"))
            parts.append(put(x(count) + 4, y + 9 * place + 7, str(count)))
    return figure(top + block * len(counts) + 4, label, parts)
