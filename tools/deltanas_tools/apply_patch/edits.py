"""From a hunk at its place to edits: what is removed, where lines go in, and how they read there.

The parent's own lines stay as they are. Added lines take on the indentation and the characters
that the matched lines turned out to need.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deltanas_tools.apply_patch import characters
from deltanas_tools.apply_patch.frame import Edit, Frame
from deltanas_tools.apply_patch.hunks import Hunk, HunkLine
from deltanas_tools.apply_patch.locate import CHARACTERS, Site
from deltanas_tools.apply_patch.result import Refusal, shown

MIN_EXPLAINED = 0.6
"""Share of the matched lines whose indentation the rule for the added lines must explain."""


@dataclass(frozen=True)
class Placed:
    """A hunk at its site."""

    hunk: Hunk
    site: Site
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Change:
    """A run of added and removed lines, and the text's lines round it."""

    before: int | None
    """The last line of the text before the change that the hunk shows."""
    removed: tuple[int, ...]
    after: int | None
    added: tuple[HunkLine, ...]
    witnesses: frozenset[int]
    """Places in the hunk's old side of the removed lines and of those next to the change."""


def edits_of(
    frame: Frame, placed: Placed, forced: frozenset[characters.Class] = frozenset()
) -> tuple[list[Edit], list[str]]:
    """Return the edits of a hunk at its site, and what the added lines needed.

    Args:
        frame: The text.
        placed: The hunk and its place.
        forced: Classes of characters to replace in the added lines in any case.

    Raises:
        Refusal: lines of the text stand in the midst of the change, or the indentation of the
            added lines cannot be told, or they are there already.
    """
    edits: list[Edit] = []
    notes: list[str] = []
    pairs = _pairs(frame, placed)
    classes = forced | _needed(pairs) if placed.site.level >= CHARACTERS else forced
    for change in _changes(placed):
        start, end = _span(frame, placed, change)
        added, note = _indented(frame, placed, change, pairs, classes)
        notes += [note] if note else []
        _check_new(frame, placed.hunk, change, added)
        edits.append(Edit(start, end, tuple(added), placed.hunk.number))
    if classes and any(edit.lines for edit in edits):
        notes.append(f"{', '.join(sorted(classes))} in added lines")
    return edits, list(dict.fromkeys(notes))


def _changes(placed: Placed) -> Iterator[_Change]:
    before: int | None = None
    beside: int | None = None
    removed: list[int] = []
    added: list[HunkLine] = []
    witnesses: set[int] = set()
    index = 0
    in_change = False
    lines = placed.hunk.lines
    for at, line in enumerate(lines):
        if line.op == "+":
            added.append(line)
            in_change = True
            continue
        real = placed.site.lines[index]
        if line.op == "-":
            if real is not None and removed and real > removed[-1] + 1:
                # Blank lines between that the hunk does not show: they stay.
                yield _Change(before, tuple(removed), real, tuple(added), frozenset(witnesses))
                before, removed, added, witnesses = removed[-1], [], [], set(witnesses)
            in_change = True
            if real is not None:
                removed.append(real)
                witnesses.add(index)
        elif real is None and line.is_blank and added and _goes_on_adding(lines, at):
            # A blank line among added ones that lost its marker.
            added.append(HunkLine("+", line.text.strip(" ")))
        elif real is not None:
            if in_change:
                near = {index, *([] if beside is None else [beside])}
                yield _Change(
                    before, tuple(removed), real, tuple(added), frozenset(witnesses | near)
                )
                removed, added, witnesses, in_change = [], [], set(), False
            before = real
            beside = index if not line.is_blank else beside
        index += 1
    if in_change:
        near = set() if beside is None else {beside}
        yield _Change(before, tuple(removed), None, tuple(added), frozenset(witnesses | near))


def _goes_on_adding(lines: tuple[HunkLine, ...], at: int) -> bool:
    following = next((line for line in lines[at + 1 :] if not line.is_blank), None)
    return following is not None and following.op == "+"


def _span(frame: Frame, placed: Placed, change: _Change) -> tuple[int, int]:
    """Return the lines that the change replaces; everything near it must be in the hunk."""
    known = [line for line in (change.before, *change.removed, change.after) if line is not None]
    for line, following in itertools.pairwise(known):
        for between in range(line + 1, following):
            if frame.lines[between].strip():
                raise Refusal(
                    "gap",
                    f"leaves out line {between + 1} of the parent, {shown(frame.lines[between])}, "
                    "in the midst of its change; write out the lines next to a change",
                    hunk=placed.hunk.number,
                    sites=(between + 1,),
                )
    if change.removed:
        return change.removed[0], change.removed[-1] + 1
    start = change.after if change.before is None else change.before + 1
    start = placed.site.insertion if start is None else start
    assert start is not None
    return start, start


def _check_new(frame: Frame, hunk: Hunk, change: _Change, added: list[str]) -> None:
    """Refuse to insert lines that stand at that place already.

    Where the hunk shows the text on both sides of the insertion, it says that they do not.
    """
    block = [line.rstrip() for line in added]
    if change.removed or not any(block) or (change.before is None and change.after is None):
        return
    texts = frame.lines
    if change.after is None:
        assert change.before is not None
        at = change.before + 1
    elif change.before is None:
        at = change.after - len(block)
    else:
        return
    if at >= 0 and [line.rstrip() for line in texts[at : at + len(block)]] == block:
        raise Refusal(
            "already-applied",
            f"is applied already: its new lines stand at line {at + 1}; to have them twice, keep "
            "the lines of the parent on both sides of them",
            hunk=hunk.number,
            sites=(at + 1,),
        )


Pair = tuple[int, HunkLine, str]
"""A place in the hunk's old side, its line there, and the text's line."""


def _pairs(frame: Frame, placed: Placed) -> list[Pair]:
    old = zip(placed.hunk.old, placed.site.lines, strict=True)
    return [
        (index, line, frame.lines[real])
        for index, (line, real) in enumerate(old)
        if real is not None and not line.is_blank
    ]


def _needed(pairs: list[Pair]) -> frozenset[characters.Class]:
    classes: set[characters.Class] = set()
    for _, line, real in pairs:
        classes |= characters.needed(line.text, real)
    return frozenset(classes)


_Lead = tuple[int, list[str], str]
"""A place in the hunk's old side, the white space of its line by each reading, and the text's."""

Rule = Callable[[str], str | None]
"""From the white space that a line begins with to what it is in the text; None: no answer."""


def _indented(
    frame: Frame,
    placed: Placed,
    change: _Change,
    pairs: list[Pair],
    classes: frozenset[characters.Class],
) -> tuple[list[str], str]:
    """Return the added lines as they must read in the text, and what was done to them."""
    texts = [characters.replace(line.text, classes) for line in change.added]
    solid = [text for text in texts if text.strip()]
    if placed.site.level < CHARACTERS or not solid:
        return texts, ""
    name, rule = _rule(frame, placed, change, pairs)
    leads = [rule(_lead(text)) if text.strip() else _lead(text) for text in texts]
    if None in leads:
        text = texts[leads.index(None)]
        raise _unclear(placed.hunk, text)
    return [
        f"{lead}{text[len(_lead(text)) :]}" for lead, text in zip(leads, texts, strict=True)
    ], name


def _rule(frame: Frame, placed: Placed, change: _Change, pairs: list[Pair]) -> tuple[str, Rule]:
    leads: list[_Lead] = [
        (index, [_lead(frame.plain(reading)) for reading in line.readings], _lead(real))
        for index, line, real in pairs
    ]
    near = [each for each in leads if each[0] in change.witnesses]
    # A space inside of brackets moves a line that only closes them.
    brackets = {index for index, line, _ in pairs if not line.text.strip(" \t()[]{},")}
    telling = [each for each in near if each[0] not in brackets]
    removed = {index for index, line in enumerate(placed.hunk.old) if line.op == "-"}
    replaced = [each for each in telling if each[0] in removed]
    # Added lines are written as those that they replace.
    if _explains(_as_is, leads, telling) or (replaced and _explains(_as_is, replaced, replaced)):
        return "", _as_is
    # With its marker as a part of it, every line of context is shifted by one: where anything is
    # shifted, that reading would explain whatever there is.
    leads, near = _as_marked(leads), _as_marked(near)
    for name, rule in _rules(leads):
        if _explains(rule, leads, near):
            return name, rule
    marked = [each for each in leads if each[0] in removed & change.witnesses]
    if marked and all(written[0] == f" {real}" for _, written, real in marked):
        return "space after the markers", _without(" ")
    raise _unclear(placed.hunk, next(line.text for line in change.added if line.text.strip()))


def _as_is(lead: str) -> str:
    return lead


def _explains(rule: Rule, leads: list[_Lead], near: list[_Lead]) -> bool:
    """Say whether the rule holds for most of the matched lines, and all next to the change."""
    explained = sum(any(rule(lead) == real for lead in written) for _, written, real in leads)
    return explained >= MIN_EXPLAINED * len(leads) and all(
        any(rule(lead) == real for lead in written) for _, written, real in near
    )


def _as_marked(leads: list[_Lead]) -> list[_Lead]:
    return [(index, written[:1], real) for index, written, real in leads]


def _rules(leads: list[_Lead]) -> Iterator[tuple[str, Rule]]:
    shifts: Counter[tuple[str, str]] = Counter()
    for _, written, real in leads:
        for lead in written:
            if real != lead and real.endswith(lead):
                shifts["in", real.removesuffix(lead)] += 1
            elif real != lead and lead.endswith(real):
                shifts["out", lead.removesuffix(real)] += 1
    for (direction, space), _ in shifts.most_common(8):
        rule = _within(space) if direction == "in" else _without(space)
        yield f"shifted {direction} by {len(space)}", rule
    for width in (4, 8, 2):
        yield f"tabs as {width} spaces", _tabs_as_spaces(width)
        yield f"{width} spaces as tabs", _spaces_as_tabs(width)


def _within(space: str) -> Rule:
    return lambda lead: f"{space}{lead}"


def _without(space: str) -> Rule:
    return lambda lead: lead.removeprefix(space) if lead.startswith(space) else None


def _tabs_as_spaces(width: int) -> Rule:
    return lambda lead: lead.expandtabs(width)


def _spaces_as_tabs(width: int) -> Rule:
    return lambda lead: "\t" * (len(lead) // width) + " " * (len(lead) % width)


def _lead(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def _unclear(hunk: Hunk, line: str) -> Refusal:
    return Refusal(
        "indentation",
        f"adds {shown(line)}, and the lines round it do not show how far it is indented in the "
        "parent; indent every line of the hunk as in the parent",
        hunk=hunk.number,
        line=line,
    )
