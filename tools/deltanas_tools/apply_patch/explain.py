"""Refusals that a model can act on: the line at fault, and where the hunk nearly fits."""

import difflib
from collections import Counter
from collections.abc import Sequence

from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.hunks import Hunk
from deltanas_tools.apply_patch.locate import MAX_SITES, Site
from deltanas_tools.apply_patch.result import Refusal, listing, shown

_MAX_LINE = 80
_MAX_LINES = 1000
_MAX_PLACES = 50
"""Places in the text of one line of a hunk that are looked at."""


def ambiguous(hunk: Hunk, sites: Sequence[Site]) -> Refusal:
    """Return the refusal of a hunk that fits several places."""
    numbers = tuple(site.start + 1 for site in sites)
    more = "" if len(numbers) <= 5 else f" ({'at least ' if len(numbers) > MAX_SITES else ''}"
    more += f"{len(numbers)} places)" if more else ""
    return Refusal(
        "ambiguous",
        f"fits at lines {listing(numbers)}{more}; add context lines that tell them apart",
        hunk=hunk.number,
        line=next((line.text for line in hunk.old if not line.is_blank), ""),
        sites=numbers,
    )


def not_found(frame: Frame, hunk: Hunk) -> Refusal:
    """Return the refusal of a hunk that stands nowhere: the line at fault, the nearest place."""
    start = _nearest(frame, hunk)
    for offset, line in enumerate(hunk.old):
        if not line.is_blank and not frame.has(line.text):
            at = _similar(frame, line.text) if start is None else start + offset
            fault = f"has the line {shown(line.text)}, which is not in the parent"
            return _refusal(frame, hunk, line.text, fault, "; the nearest is", at)
    for offset, line in enumerate(hunk.old if start is not None else ()):
        assert start is not None
        at = start + offset
        if at >= len(frame.lines) or frame.loose(frame.lines[at]) != frame.loose(line.text):
            fault = f"comes nearest to line {max(start, 0) + 1} of the parent; after the lines "
            fault += f"that fit, it has {shown(line.text)}"
            return _refusal(frame, hunk, line.text, fault, "; the parent has, at", at)
    return _refusal(frame, hunk, hunk.old[0].text, "stands nowhere in the parent", "", None)


def _refusal(frame: Frame, hunk: Hunk, line: str, fault: str, hint: str, at: int | None) -> Refusal:
    if at is None or not 0 <= at < len(frame.lines):
        where, sites = "", tuple[int, ...]()
    else:
        where, sites = f"{hint} line {at + 1}, {shown(frame.lines[at])}", (at + 1,)
    return Refusal(
        "not-found",
        f"{fault}{where}; copy the parent's lines to the letter",
        hunk=hunk.number,
        line=line,
        sites=sites,
    )


def _nearest(frame: Frame, hunk: Hunk) -> int | None:
    """Return where most of the hunk's lines stand at their distance; None where none does."""
    where: dict[str, list[int]] = {}
    for at, real in enumerate(frame.lines):
        where.setdefault(frame.loose(real), []).append(at)
    votes: Counter[int] = Counter()
    for offset, line in enumerate(hunk.old[:_MAX_LINES]):
        loose = frame.loose(line.text)
        # A blank line or a lone bracket says little about the place.
        weight = 1 + min(len(loose), 20)
        for at in where.get(loose, ())[:_MAX_PLACES] if loose else ():
            votes[at - offset] += weight
    return votes.most_common(1)[0][0] if votes else None


def _similar(frame: Frame, text: str) -> int | None:
    # The comparison is quadratic in the lines' length: their beginnings must do.
    heads = [line[:_MAX_LINE] for line in frame.lines[:_MAX_LINES]]
    nearest = difflib.get_close_matches(text[:_MAX_LINE], heads, n=1, cutoff=0.5)
    return heads.index(nearest[0]) if nearest else None
