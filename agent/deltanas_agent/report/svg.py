"""Small SVG: escaped text, scales, ticks and frames; figures are made of these.

Figures are 360 units wide, so that their text can be read on a phone. Colours are classes of
`style.css`; a figure on its own brings the rules that it needs.
"""

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import NamedTuple

from deltanas_agent.report.text import one_line

WIDTH = 360
LEFT, RIGHT, BOTTOM = 46, 342, 34
"""Where the plotting area begins and ends; what is below it, for ticks and the axis' name."""
LINE = 14
"""Height of a line of text."""
NUM_COLOURS = 8
_TICKS = (1, 2, 2.5, 5, 10)


class Scale(NamedTuple):
    """From values to places along an axis."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def span(values: Iterable[float], *, margin: float = 0.05) -> tuple[float, float]:
    """Return the ends of an axis that shows these values."""
    found = list(values) or [0.0, 1.0]
    low, high = min(found), max(found)
    more = (high - low) * margin or abs(high) * margin or 1.0
    return low - more, high + more


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round values within an axis, about so many."""
    rough = (high - low) / count
    power: float = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _TICKS if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [each * step for each in range(first, last + 1)]


def number(value: float) -> str:
    """Return a number as a tick shows it."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.4g}{letter}"
    return f"{value:.4g}"


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    """Return a line of text; ``words`` may be a model's."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
        f"{escape(one_line(words, 60))}</text>"
    )


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def rect(x: float, y: float, width: float, height: float, kind: str) -> str:
    """Return a filled rectangle."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" '
        f'height="{max(height, 0):.1f}" class="{kind}"/>'
    )


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """Return a dot."""
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" class="{kind}"/>'


def path(points: Sequence[tuple[float, float]], kind: str) -> str:
    """Return a line through points."""
    steps = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{steps}" class="{kind}"/>'


def colour(number_of: int) -> str:
    """Return the class of an arm's colour and dashes."""
    return f"c{number_of % NUM_COLOURS}"


def legend(names: Sequence[str], y: float = 10) -> list[str]:
    """Return a legend, a line for each name."""
    found: list[str] = []
    for at, name in enumerate(names):
        middle = y + at * LINE
        found += [
            line(4, middle - 4, 24, middle - 4, f"series {colour(at)}"),
            text(30, middle, name),
        ]
    return found


def frame(
    x: Scale, y: Scale, x_name: str, y_name: str, *, has_whole_ticks: bool = False
) -> list[str]:
    """Return the axes with their ticks and names; of what is counted, ticks at whole numbers."""
    found = [text(4, y.end - 6, y_name, "muted")]
    for value in ticks(y.low, y.high):
        found += [
            line(x.start, y(value), x.end, y(value), "grid"),
            text(x.start - 5, y(value) + 4, number(value), "", "end"),
        ]
    for value in ticks(x.low, x.high):
        if has_whole_ticks and abs(value - round(value)) > 1e-6:
            continue
        found.append(text(x(value), y.start + 14, number(value), "", "middle"))
    found += [
        line(x.start, y.start, x.end, y.start, "axis"),
        text((x.start + x.end) / 2, y.start + 29, x_name, "muted", "middle"),
    ]
    return found


def level(x: Scale, y: Scale, value: float, at: float, name: str) -> list[str]:
    """Return a broken line across at a value, and what it is as a line of the legend."""
    return [
        line(x.start, y(value), x.end, y(value), "level"),
        line(4, at - 4, 24, at - 4, "level"),
        text(30, at, name),
    ]


def figure(height: float, label: str, parts: Iterable[str]) -> str:
    """Return a whole figure; ``label`` says what it shows to who cannot see it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'role="img" aria-label="{escape(one_line(label, 300))}">{"".join(parts)}</svg>'
    )


def standalone(svg: str, style: str) -> str:
    """Return a figure as a file of its own, with its rules and a background."""
    head, _, rest = svg.partition(">")
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{head} width="{2 * WIDTH}"><style>{style}</style>'
        f'<rect width="100%" height="100%" class="paper"/>{rest}\n'
    )
