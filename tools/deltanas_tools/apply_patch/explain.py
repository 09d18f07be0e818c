"""Refusals that a model can act on: the line at fault, and where the hunk nearly fits."""

import difflib
from collections import Counter
from collections.abc import Sequence

from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.hunks import Hunk
from deltanas_tools.apply_patch.locate import Site
from deltanas_tools.apply_patch.result import Refusal, listing, shown

_MAX_LINE = 200
_MAX_LINES = 2000
_MAX_PLACES = 50
"""Places in the text of one line of a hunk that are looked at."""


def ambiguous(hunk: Hunk, sites: Sequence[Site]) -> Refusal:
    """Return the refusal of a hunk that fits several places."""
    numbers = tuple(site.start + 1 for site in sites)
    return Refusal(
        "ambiguous",
        f"fits at lines {listing(numbers)}; add context lines that tell them apart",
        hunk=hunk.number,
        line=next((line.text for line in hunk.old if not line.is_blank), ""),
        sites=numbers,
    )


def not_found(frame: Frame, hunk: Hunk) -> Refusal:
    """Return the refusal of a hunk that stands nowhere: the nearest place, what differs there."""
    start = _nearest(frame, hunk)
    absent = next(
        (line for line in hunk.old if not line.is_blank and not frame.has(line.text)), None
    )
    if start is not None:
        for offset, line in enumerate(hunk.old):
            at = start + offset
            real = frame.lines[at] if 0 <= at < len(frame.lines) else None
            if real is None or frame.loose(real) != frame.loose(line.text):
                found = "the end" if real is None else shown(real)
                return Refusal(
                    "not-found",
                    f"comes nearest to line {max(start, 0) + 1} of the parent, where line "
                    f"{at + 1} is {found} and the hunk has {shown(line.text)}; copy the parent's "
                    "lines to the letter",
                    hunk=hunk.number,
                    line=line.text,
                    sites=(at + 1,),
                )
    if absent is None:
        return Refusal(
            "not-found",
            "has old lines that are all in the parent, but not one after the other as here",
            hunk=hunk.number,
            line=hunk.old[0].text,
        )
    similar = _similar(frame, absent.text)
    hint = (
        ""
        if similar is None
        else f"; the nearest is line {similar + 1}, {shown(frame.lines[similar])}"
    )
    return Refusal(
        "not-found",
        f"has the line {shown(absent.text)}, which is not in the parent{hint}; copy the parent's "
        "lines to the letter",
        hunk=hunk.number,
        line=absent.text,
        sites=() if similar is None else (similar + 1,),
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
