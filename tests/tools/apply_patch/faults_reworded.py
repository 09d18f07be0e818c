"""Context that is not quite the file's: reworded, missing, or made up, away from the change."""

import difflib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk, draft_of
from tests.tools.apply_patch.reference import characters, dense_sites, old_side
from tests.tools.apply_patch.rework import (
    changed_at,
    has_marker,
    literal,
    replaced,
    with_hunks,
    with_lines,
)
from tests.tools.apply_patch.syntax import indentation, parses

family = Family()


def wide_context(draft: Draft) -> Draft:
    """The same edit with ten lines of context."""
    wide = draft_of(draft.source, draft.baseline, draft.edited, context=10)
    return replace(wide, encode=draft.encode)


def is_sure(draft: Draft, hunk: Hunk, without: int) -> bool:
    """True where the hunk has one place even when line ``without`` of it says nothing.

    At least five lines that are not blank remain, and nowhere else do the removed lines stand
    among lines that are as much like the others as three in four would be.
    """
    shown = [(n, line) for n, line in enumerate(hunk.lines) if line[:1] in (" ", "-")]
    removed = [characters(line[1:]) for _, line in shown if line[:1] == "-"]
    counted = [
        (index, characters(line[1:]))
        for index, (n, line) in enumerate(shown)
        if n != without and line[1:].strip()
    ]
    have = [*map(characters, draft.lines)]
    if len(counted) < 5:
        return False
    for at in range(-len(shown), len(have)):
        inside = [(have[at + n], line) for n, line in counted if 0 <= at + n < len(have)]
        alike = sum(_alike(one, other) for one, other in inside)
        if abs(at - hunk.site) > 1 and alike >= 0.75 * len(counted):
            return False
    return all(line in have for line in removed)


@lru_cache(maxsize=100_000)
def _alike(one: str, other: str) -> float:
    """How much a line is like another: 0 for less than 0.6."""
    if one == other:
        return 1
    matcher = difflib.SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() < 0.6 or matcher.quick_ratio() < 0.6:
        return 0
    ratio = matcher.ratio()
    return ratio if ratio >= 0.6 else 0


def far_context(hunk: Hunk, distance: int = 2) -> list[int]:
    """Context lines of code or comment, so far from every change at least."""
    return [
        n
        for n, line in enumerate(hunk.lines)
        if line[:1] == " "
        and line.strip()
        and all(abs(n - at) >= distance for at in changed_at(hunk))
    ]


def _reworded(line: str, rng: Random) -> str:
    words = line.split(" ")
    long = [n for n, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return line
    words[rng.choice(long)] = rng.choice(["image", "layer", "each", "value"])
    return " ".join(words)


def _retouched(line: str, rng: Random) -> str:
    found = [*re.finditer(r"(?<![\w.])\d+(?![\w.])", line)]
    if found and rng.random() < 0.7:
        match = rng.choice(found)
        return line[: match.start()] + str(int(match.group()) + 1) + line[match.end() :]
    return line.replace("True", "False") if "True" in line else re.sub(r"\)$", ", )", line)


def _similar(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one.strip(), other.strip(), autojunk=False).ratio()


def _paraphrased(
    draft: Draft, rng: Random, *, comment: bool, adjacent: bool = False
) -> Draft | None:
    which = rng.randrange(len(draft.hunks))
    hunk = draft.hunks[which]
    found = [
        n
        for n in far_context(hunk, 1 if adjacent else 2)
        if (hunk.lines[n].strip()[0] == "#") == comment
    ]
    if not found or has_marker(draft):
        return None
    n = rng.choice(found)
    line = (_reworded if comment else _retouched)(hunk.lines[n], rng)
    near = 0.75 if comment else 0.85
    if (
        line[1:] in draft.lines
        or _similar(line, hunk.lines[n]) < near
        or not is_sure(draft, hunk, n)
    ):
        return None
    return replaced(draft, which, with_lines(hunk, [*hunk.lines[:n], line, *hunk.lines[n + 1 :]]))


@family.applies("reworded.comment")
def _reworded_comment(draft: Draft, rng: Random) -> Draft | None:
    """One word of a context comment is another; the file's comment stays."""
    return _paraphrased(draft, rng, comment=True)


@family.applies("reworded.code")
def _reworded_code(draft: Draft, rng: Random) -> Draft | None:
    """A number or a flag of a context line, away from changes, is another; the file's stays."""
    return _paraphrased(draft, rng, comment=False)


@family.applies("reworded.code-beside-change")
def _reworded_beside(draft: Draft, rng: Random) -> Draft | None:
    """The same, beside the change, perhaps: refusing is not wrong then."""
    made = _paraphrased(draft, rng, comment=False, adjacent=True)
    return None if made is None else replace(made, refusal_allowed=True)


@family.applies("reworded.trailing-comment")
def _trailing_comment(draft: Draft, rng: Random) -> Draft | None:
    """A short comment is added behind a context line, or left away; the file's line stays."""
    which = rng.randrange(len(draft.hunks))
    hunk = draft.hunks[which]
    found = [n for n in far_context(hunk) if len(hunk.lines[n]) > 30]
    if not found or has_marker(draft):
        return None
    n = rng.choice(found)
    line = hunk.lines[n]
    other = line.split("  #")[0] if "  #" in line else f"{line}  # as is"
    if _similar(other, line) < 0.75 or '"""' in line or "\\" in line or not is_sure(draft, hunk, n):
        return None
    return replaced(draft, which, with_lines(hunk, [*hunk.lines[:n], other, *hunk.lines[n + 1 :]]))


@family.applies("missing.comment")
def _missing_comment(draft: Draft, rng: Random) -> Draft | None:
    """A comment of the file is missing from the context, away from changes."""
    which = rng.randrange(len(draft.hunks))
    hunk = draft.hunks[which]
    found = [
        n
        for n in far_context(hunk)
        if hunk.lines[n].strip()[0] == "#" and 0 < n < len(hunk.lines) - 1
    ]
    if not found or has_marker(draft):
        return None
    n = rng.choice(found)
    if not is_sure(draft, hunk, n) or not _is_level(hunk, n):
        return None
    return replaced(draft, which, with_lines(hunk, [*hunk.lines[:n], *hunk.lines[n + 1 :]]))


def _is_level(hunk: Hunk, n: int) -> bool:
    """True where line ``n`` and the changes are parted by code, not by blank lines alone."""
    between = [
        hunk.lines[min(n, at) + 1 : max(n, at)]
        for at in (changed_at(hunk)[0], changed_at(hunk)[-1])
    ]
    return all(any(line[1:].strip() for line in lines) for lines in between)


@family.applies("missing.code-far")
def _missing_code(draft: Draft, rng: Random) -> Draft | None:
    """A line of code is missing from the context, two lines from the change: or refused."""
    wide = wide_context(draft)
    which = rng.randrange(len(wide.hunks))
    hunk = wide.hunks[which]
    found = [n for n in far_context(hunk, 3) if 0 < n < len(hunk.lines) - 1]
    if not found or has_marker(wide):
        return None
    n = rng.choice(found)
    if not is_sure(wide, hunk, n) or not _is_level(hunk, n):
        return None
    cut = replaced(wide, which, with_lines(hunk, [*hunk.lines[:n], *hunk.lines[n + 1 :]]))
    return replace(cut, refusal_allowed=True)


@family.applies("invented.comment")
def _invented_comment(draft: Draft, rng: Random) -> Draft | None:
    """A context comment that the file does not have, away from changes: or refused."""
    which = rng.randrange(len(draft.hunks))
    hunk = draft.hunks[which]
    found = [n for n in far_context(hunk) if n > 0]
    if not found or has_marker(draft):
        return None
    n = rng.choice(found)
    line = f" {indentation(hunk.lines[n][1:])}# {rng.choice(['as before', 'the usual layers'])}"
    if not is_sure(draft, hunk, n) or not _is_level(hunk, n):
        return None
    made = replaced(draft, which, with_lines(hunk, [*hunk.lines[:n], line, *hunk.lines[n:]]))
    return replace(made, refusal_allowed=True)


@family.applies("reworded.two-lines")
def _reworded_two(draft: Draft, rng: Random) -> Draft | None:
    """Two lines of a long context are a little different: or refused."""
    wide = wide_context(draft)
    once = _paraphrased(wide, rng, comment=rng.random() < 0.3)
    twice = None if once is None else _paraphrased(once, rng, comment=False)
    if twice is None or not all(_mostly_right(draft, hunk) for hunk in twice.hunks):
        return None
    return replace(twice, refusal_allowed=True)


def _mostly_right(draft: Draft, hunk: Hunk) -> bool:
    old = [line for line in old_side(hunk.lines) if line.strip()]
    right = sum(line in draft.lines for line in old)
    return right >= 6 and right >= 0.75 * len(old)


@family.applies("reworded.swapped")
def _swapped(draft: Draft, rng: Random) -> Draft | None:
    """Two context lines stand in the other order in the file: seen through, or refused."""
    return _spoilt_pair(draft, rng, lambda one, two: [two, one])


@family.applies("reworded.doubled")
def _doubled(draft: Draft, rng: Random) -> Draft | None:
    """A context line stands twice in the answer and once in the file: the same."""
    return _spoilt_pair(draft, rng, lambda one, two: [one, one, two])


def _spoilt_pair(draft: Draft, rng: Random, spoil: Callable[[str, str], list[str]]) -> Draft | None:
    which = rng.randrange(len(draft.hunks))
    lines = draft.hunks[which].lines
    pairs = [
        n
        for n in range(len(lines) - 1)
        if all(line[:1] == " " and line.strip() for line in lines[n : n + 2])
        and lines[n] != lines[n + 1]
    ]
    if not pairs or has_marker(draft):
        return None
    n = rng.choice(pairs)
    body = [*lines[:n], *spoil(*lines[n : n + 2]), *lines[n + 2 :]]
    if dense_sites(draft.lines, old_side(body)):
        return None
    hunk = with_lines(draft.hunks[which], body)
    return replace(replaced(draft, which, hunk), refusal_allowed=True)


@family.refused("reworded.name-in-use")
def _name_in_use(draft: Draft, rng: Random) -> Draft | None:
    """Context binds a name that the file binds otherwise, and an added line reads it."""
    hunk = draft.hunks[0]
    found = [
        (n, match.group(1))
        for n in far_context(hunk)
        if (match := re.match(r" +(\w\w+) = ", hunk.lines[n])) and n < changed_at(hunk)[0]
    ]
    added = [n for n, line in enumerate(hunk.lines) if line[:1] == "+" and line[1:].strip()]
    if not found or not added or has_marker(draft):
        return None
    n, name = rng.choice(found)
    other = f"{name}_new"
    lines = [*hunk.lines]
    lines[n] = lines[n].replace(name, other, 1)
    indent = indentation(hunk.lines[added[0]][1:])
    lines.insert(added[0], f"+{indent}print({other})")
    text = literal(replaced(draft, 0, with_lines(hunk, lines)))
    if text is None or not parses(text) or other in draft.baseline or "import *" in draft.baseline:
        return None
    return with_hunks(draft, [with_lines(hunk, lines), *draft.hunks[1:]])


@family.applies("context.last-line-cut-off")
def _last_cut_off(draft: Draft, rng: Random) -> Draft | None:
    """The answer ends within its last context line: or refused."""
    last = draft.hunks[-1].lines[-1]
    body = last[1:].strip()
    if (
        last[:1] != " "
        or len(body) < 8
        or not is_sure(draft, draft.hunks[-1], len(draft.hunks[-1].lines) - 1)
    ):
        return None
    cut = draft.answer.removesuffix("\n")[: -rng.randrange(1, len(body) - 4)]
    return replace(draft, text=cut, refusal_allowed=True)
