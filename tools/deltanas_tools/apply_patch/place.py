"""Gives every hunk its one place, or says why it has none. A place is never chosen for being near.

What may decide between several sites of a hunk, in this order: its stated line, where the whole
diff is well formed and the hunk stands exactly there; the end of the text, where the hunk says
that it ends there; hunks round it with one place each; as many copies of the hunk as sites; that
all sites give one text, with the other hunks too.
"""

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

from deltanas_tools.apply_patch.align import Effort, align
from deltanas_tools.apply_patch.combine import combine, edited_lines
from deltanas_tools.apply_patch.edits import Placed
from deltanas_tools.apply_patch.explain import ambiguous, not_found
from deltanas_tools.apply_patch.frame import Frame
from deltanas_tools.apply_patch.hunks import Hunk
from deltanas_tools.apply_patch.locate import (
    APPROXIMATE,
    BLANK_LINES,
    EXACT,
    LEVEL_NAMES,
    LOST_MARKER,
    MAX_SITES,
    TRAILING_SPACE,
    Locator,
    Site,
)
from deltanas_tools.apply_patch.result import Refusal

ONE_TEXT = "one of several places that give the same text"
_MAX_LINES_COMPARED = 100_000
_MAX_SETTLED = 8
"""Hunks of one answer that may have several places which give one text."""


def place_strictly(frame: Frame, hunks: Sequence[Hunk]) -> tuple[Placed, ...] | None:
    """Place a well-formed diff at its stated lines; None where one does not stand there.

    This is what makes a diff between two texts turn the one into the other, whatever they are.
    """
    placed: list[Placed] = []
    for hunk in hunks:
        site = _stated_site(frame, hunk)
        if site is None or not hunk.counts_right:
            return None
        placed.append(Placed(hunk, site))
    return tuple(placed) if _in_order(placed) else None


def _stated_site(frame: Frame, hunk: Hunk) -> Site | None:
    stated = hunk.stated
    if stated is None or not 0 <= stated <= len(frame.lines):
        return None
    if not hunk.old:
        return Site((), EXACT, insertion=stated)
    end = stated + len(hunk.old)
    # A line that the file ends in without a newline is another line than one that goes on.
    open_end = not frame.final_newline and end == len(frame.lines)
    stands = frame.lines[stated:end] == [line.text for line in hunk.old]
    if not stands or open_end == hunk.old[-1].newline:
        return None
    return Site(tuple(range(stated, end)), EXACT)


def _in_order(placed: list[Placed]) -> bool:
    """Say whether the hunks follow one another, and the new side's lines are counted right."""
    end = shift = 0
    for each in placed:
        hunk, start = each.hunk, each.site.start
        if start < end:
            return False
        new_start = start + shift + (1 if hunk.new else 0)
        if not hunk.old and hunk.new_start != new_start:
            return False
        shift += len(hunk.new) - len(hunk.old)
        end = each.site.end
    return True


def place(frame: Frame, hunks: Sequence[Hunk]) -> tuple[list[Placed], list[Hunk]]:
    """Place every hunk where its old lines stand.

    Returns the placed hunks in the diff's order, and those that stand only in the result of the
    others: models quote what they wrote before.

    Raises:
        Refusal: a hunk fits several places, or none, or says nothing about where it belongs.
    """
    locator = Locator(frame)
    sites = [_sites(frame, locator, hunk) for hunk in hunks]
    late = list(_standing_in_result(frame, hunks, sites))
    sites = [[] if at in late else found for at, found in enumerate(sites)]
    effort = Effort()
    for at, hunk in enumerate(hunks):
        if not sites[at] and at not in late:
            sites[at] = [_nearly(frame, locator, hunk, effort)]
    return _chosen(frame, hunks, sites), [hunks[at] for at in late]


def _standing_in_result(
    frame: Frame, hunks: Sequence[Hunk], sites: list[list[Site]]
) -> Iterator[int]:
    """Yield which hunks stand in the text after the others: without a site, or a good one."""
    homeless = [at for at, found in enumerate(sites) if not found or found[0].level >= BLANK_LINES]
    others = [[] if at in homeless else found for at, found in enumerate(sites)]
    if not homeless or not any(others):
        return
    try:
        result, _ = combine(frame, _chosen(frame, hunks, others))
        for at in homeless:
            after = Frame(result)
            found = Locator(after).sites(hunks[at], max_level=LOST_MARKER)
            if len(found) == 1:
                result, _ = combine(after, [Placed(hunks[at], found[0])])
                yield at
    except Refusal:
        return  # the others have faults of their own, which are told where they belong


def _chosen(frame: Frame, hunks: Sequence[Hunk], sites: list[list[Site]]) -> list[Placed]:
    """Return every hunk that has a site at the one that is its own."""
    trusted = all(hunk.counts_right for hunk in hunks)
    placed: list[Placed] = []
    several: dict[int, list[Site]] = {}
    for at, hunk in enumerate(hunks):
        if not sites[at]:
            continue
        if not hunk.changes and len(sites[at]) > 1:
            continue  # context alone, which is there: where, does not matter
        site, note = _choose(frame, hunks, sites, at, trusted=trusted)
        notes = [*hunk.notes, *_level_note(site), *([note] if note else [])]
        if hunk.start is not None and site.start != hunk.stated:
            notes.append("position")
        if note == ONE_TEXT:
            several[len(placed)] = sites[at]
        placed.append(Placed(hunk, site, tuple(dict.fromkeys(notes))))
    if len(several) > _MAX_SETTLED:
        raise ambiguous(placed[min(several)].hunk, several[min(several)])
    _check_elided(placed)
    return _settle(frame, placed, several)


def _level_note(site: Site) -> list[str]:
    return [LEVEL_NAMES[site.level]] if site.level > EXACT else []


def _sites(frame: Frame, locator: Locator, hunk: Hunk) -> list[Site]:
    if not hunk.old:
        if not frame.lines:
            return [Site((), EXACT, insertion=0)]
        raise Refusal(
            "no-anchor",
            "only adds lines and does not show where; keep a line of the parent before or after "
            "them",
            hunk=hunk.number,
        )
    return locator.sites(hunk)


def _nearly(frame: Frame, locator: Locator, hunk: Hunk, effort: Effort) -> Site:
    """Return where a hunk stands that stands nowhere to the letter: one place, clearly best."""
    if (there := _applied_already(locator, hunk)) is not None:
        raise Refusal(
            "already-applied",
            f"is applied already: its new lines stand at line {there + 1}",
            hunk=hunk.number,
            sites=(there + 1,),
        )
    aligned = align(frame, locator, hunk, effort)
    if aligned is None:
        raise not_found(frame, hunk)
    return aligned


def _applied_already(locator: Locator, hunk: Hunk) -> int | None:
    if not any(line.op == "+" and not line.is_blank for line in hunk.lines):
        if not any(line.op == "-" for line in hunk.lines):
            return None
        # Only removals: they are done where what is left stands together, with something on
        # both sides of the gap to tell it by.
        first, last = hunk.lines[0], hunk.lines[-1]
        if first.op == "-" or last.op == "-" or first.is_blank or last.is_blank:
            return None
    return locator.stands(hunk.new)


def _choose(
    frame: Frame, hunks: Sequence[Hunk], sites: list[list[Site]], at: int, *, trusted: bool
) -> tuple[Site, str]:
    hunk, found = hunks[at], sites[at]
    if len(found) == 1:
        return found[0], ""
    if trusted and found[0].level <= TRAILING_SPACE:
        stated = _stated_site(frame, hunk)
        for site in [*([stated] if stated else []), *found]:
            if site.start == hunk.stated:
                return site, ""
    at_end = [site for site in found if site.end == len(frame.lines)]
    if not hunk.old[-1].newline and not frame.final_newline and len(at_end) == 1:
        return at_end[0], ""
    between = _between(hunks, sites, at)
    if between is not None:
        return between, "place between its neighbours"
    copy = _copy(hunks, sites, at)
    if copy is not None:
        return copy, "one of as many copies as places"
    if _give_one_text(frame, hunk, found):
        return found[0], ONE_TEXT
    raise ambiguous(hunk, found)


def _give_one_text(frame: Frame, hunk: Hunk, found: list[Site]) -> bool:
    """Say whether the hunk makes the same text at each of its sites, other hunks apart."""
    start, end = min(site.start for site in found), max(site.end for site in found)
    if len(found) > MAX_SITES or len(found) * (end - start) > _MAX_LINES_COMPARED:
        return False
    try:
        texts = {tuple(edited_lines(frame, Placed(hunk, site), start, end)) for site in found}
    except Refusal:
        return False
    return len(texts) == 1


def _settle(frame: Frame, placed: list[Placed], sites: dict[int, list[Site]]) -> list[Placed]:
    """Return the hunks with those of several places at one that agrees with the others.

    Places that give one text by themselves may not do so with another hunk among them.

    Args:
        frame: The text.
        placed: All hunks.
        sites: The places of those hunks, by their position in ``placed``, that have several.

    Raises:
        Refusal: the places that agree with the other hunks give several texts.
    """
    for at, found in sites.items():
        start, end = min(site.start for site in found), max(site.end for site in found)
        others = [each for number, each in enumerate(placed) if number != at]
        if not any(start <= each.site.end and each.site.start <= end for each in others):
            continue
        agreed: dict[str, Site] = {}
        for site in found:
            with contextlib.suppress(Refusal):
                text, _ = combine(frame, [*others, replace(placed[at], site=site)])
                agreed.setdefault(text, site)
        if len(agreed) != 1:
            raise ambiguous(placed[at].hunk, found)
        placed[at] = replace(placed[at], site=next(iter(agreed.values())))
    return placed


def _between(hunks: Sequence[Hunk], sites: list[list[Site]], at: int) -> Site | None:
    """Return the only site between the hunks before and after, which have one place each.

    Hunks may come in any order, so both must be there, unless they are parts of one hunk; and a
    stated line that is nearer to another site speaks against it.
    """
    before = next((each for each in range(at - 1, -1, -1) if len(sites[each]) == 1), None)
    after = next((each for each in range(at + 1, len(hunks)) if len(sites[each]) == 1), None)
    own = hunks[at].number
    is_part = [each is not None and hunks[each].number == own for each in (before, after)]
    if not any(is_part) and (before is None or after is None):
        return None
    low = sites[before][0].end if before is not None else 0
    high = sites[after][0].start if after is not None else None
    inside = [
        site for site in sites[at] if site.start >= low and (high is None or site.end <= high)
    ]
    if len(inside) != 1:
        return None
    stated = hunks[at].stated
    if stated is not None:
        nearest = min(abs(site.start - stated) for site in sites[at])
        if abs(inside[0].start - stated) != nearest:
            return None
    return inside[0]


def _copy(hunks: Sequence[Hunk], sites: list[list[Site]], at: int) -> Site | None:
    """Return this copy's site where a hunk is written once for each of its sites."""
    copies = [each for each, hunk in enumerate(hunks) if hunk.lines == hunks[at].lines]
    if len(copies) != len(sites[at]):
        return None
    return sites[at][copies.index(at)]


def _check_elided(placed: list[Placed]) -> None:
    """Refuse parts of one hunk that are not in its order."""
    for one, other in itertools.pairwise(placed):
        if one.hunk.number == other.hunk.number and other.site.start < one.site.end:
            raise Refusal(
                "not-found",
                "leaves out lines between two parts that are the other way round in the parent",
                hunk=one.hunk.number,
                sites=(one.site.start + 1, other.site.start + 1),
            )


def place_late(result: Frame, hunk: Hunk) -> Placed:
    """Place a hunk on the text after the others.

    Raises:
        Refusal: it stands there no more, or more than once.
    """
    found = Locator(result).sites(hunk, max_level=LOST_MARKER)
    if len(found) != 1:
        raise ambiguous(hunk, found) if found else not_found(result, hunk)
    return Placed(hunk, found[0], (*hunk.notes, "place in the result of the others"))


def is_approximate(placed: Sequence[Placed]) -> bool:
    """Say whether a hunk was placed by context that is only similar."""
    return any(each.site.level == APPROXIMATE for each in placed)
