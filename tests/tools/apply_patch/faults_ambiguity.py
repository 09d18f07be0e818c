"""Hunks that fit in several places: refused, unless a well-formed diff says which one it is.

The judge is `reference.results`: every place is tried, and what counts is how many texts come out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk, numbered
from tests.tools.apply_patch.reference import (
    characters,
    edits_at,
    exact,
    file_lines,
    merged,
    old_side,
    results,
    sites,
    trailing,
)
from tests.tools.apply_patch.syntax import indentation, parses

family = Family()

Numbers = Callable[[Hunk, Sequence[int], Random], str | None]


@dataclass(frozen=True)
class Several:
    """A hunk that fits, to the letter, in several places which give different texts."""

    hunk: Hunk
    places: tuple[int, ...]


def several(draft: Draft, rng: Random) -> Several | None:
    """One or two lines that the file repeats, changed, deleted or added to at one place."""
    lines = draft.lines
    repeated = [n for n, line in enumerate(lines) if line.strip() and lines.count(line) > 1]
    if not repeated:
        return None
    at = rng.choice(repeated)
    span = rng.choice([1, 1, 2])
    old = lines[at : at + span]
    places = sites(lines, old)
    body = rng.choice([_replacing, _inserting, _deleting])(old, rng)
    if len(places) < 2 or not old[-1].strip() or not len(results(draft.baseline, [body])) > 1:
        return None
    texts = results(draft.baseline, [body])
    if len(texts) != len(places) or not all(map(parses, texts)):
        return None
    return Several(numbered([Hunk(at + 1, tuple(body))])[0], tuple(places))


def _replacing(old: Sequence[str], rng: Random) -> list[str]:
    new = f"{old[-1]}  # was changed" if "#" not in old[-1] else f"{old[-1]}, changed"
    return [*(f" {line}" for line in old[:-1]), f"-{old[-1]}", f"+{new}"]


def _inserting(old: Sequence[str], rng: Random) -> list[str]:
    new = f"{indentation(old[-1])}# added here, and nowhere else"
    return [*(f" {line}" for line in old), f"+{new}"]


def _deleting(old: Sequence[str], rng: Random) -> list[str]:
    return [*(f" {line}" for line in old[:-1]), f"-{old[-1]}"]


def _only(draft: Draft, hunk: Hunk) -> Draft:
    edits = edits_at(hunk.lines, hunk.site)
    result = merged(draft.baseline.split("\n"), edits)
    assert result is not None
    text = "\n".join(result)
    return replace(draft, hunks=(hunk,), edited=text, expected=frozenset({text}))


def _refused(name: str, numbers: Numbers) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        found = several(draft, rng)
        if found is None:
            return None
        header = numbers(found.hunk, found.places, rng)
        return None if header is None else _only(draft, replace(found.hunk, header=header))


def _stated(hunk: Hunk, line: int) -> str:
    """The header with right counts at another line."""
    return numbered([replace(hunk, start=max(1, line))])[0].header or ""


def _wrong(hunk: Hunk, places: Sequence[int], rng: Random) -> str | None:
    free = [n for n in range(1, 200) if all(abs(n - 1 - place) > 3 for place in places)]
    return _stated(hunk, rng.choice(free))


def _near(hunk: Hunk, places: Sequence[int], rng: Random) -> str | None:
    line = hunk.start + rng.choice([-3, -2, -1, 1, 2, 3])
    return None if line < 1 or line - 1 in places else _stated(hunk, line)


def _wrong_counts(hunk: Hunk, places: Sequence[int], rng: Random) -> str | None:
    old, new = hunk.counts
    by = rng.choice([1, 2, 3])
    which = rng.choice([(by, 0), (0, by), (by, by)])
    return f"@@ -{hunk.start},{old + which[0]} +{hunk.start},{new + which[1]} @@"


def _beyond(hunk: Hunk, places: Sequence[int], rng: Random) -> str | None:
    return _stated(hunk, 5000)


_refused("ambiguous.wrong-line", _wrong)
_refused("ambiguous.near-line", _near)
_refused("ambiguous.wrong-counts", _wrong_counts)
_refused("ambiguous.line-beyond-file", _beyond)
_refused("ambiguous.no-numbers", lambda hunk, places, rng: "@@")
_refused("ambiguous.dots", lambda hunk, places, rng: "@@ ... @@")
_refused("ambiguous.letters", lambda hunk, places, rng: "@@ -X,Y +X,Y @@")


@family.refused("ambiguous.no-header")
def _no_header(draft: Draft, rng: Random) -> Draft | None:
    found = several(draft, rng)
    return None if found is None else _only(draft, replace(found.hunk, header=None))


@family.applies("right.ambiguous-but-well-formed")
def _well_formed(draft: Draft, rng: Random) -> Draft | None:
    """Counts are right and the old side stands at the stated line, to the letter: it decides."""
    found = several(draft, rng)
    return None if found is None else _only(draft, found.hunk)


@family.applies("right.ambiguous-but-well-formed-fenced")
def _well_formed_fenced(draft: Draft, rng: Random) -> Draft | None:
    """The same in a fence: dressing has no say."""
    found = several(draft, rng)
    if found is None:
        return None
    only = _only(draft, found.hunk)
    return replace(only, text=f"Here it is:\n\n```diff\n{only.answer}```\n")


@family.refused("ambiguous.with-unique-hunk")
def _with_unique(draft: Draft, rng: Random) -> Draft | None:
    """Another hunk has one place, on the same side of all the places of this one."""
    found, unique = several(draft, rng), draft.hunks[0]
    if found is None:
        return None
    ends = range(unique.site, unique.site + unique.counts[0] + 1)
    outside = [place - unique.site > len(ends) for place in found.places]
    before = [place + found.hunk.counts[0] < unique.site for place in found.places]
    if not all(outside) and not all(before):
        return None
    if len(sites([*map(characters, draft.lines)], [*map(characters, old_side(unique.lines))])) != 1:
        return None
    pair = [replace(found.hunk, header="@@"), replace(unique, header="@@")]
    return replace(draft, hunks=tuple(pair if all(before) else pair[::-1]))


@family.refused("ambiguous.dedented")
def _dedented(draft: Draft, rng: Random) -> Draft | None:
    """A line without its indentation, which stands in several places with one."""
    found = several(draft, rng)
    if found is None or len(found.hunk.lines) > 2 or found.hunk.lines[0] == "@@":
        return None
    lines = [line[0] + line[1:].lstrip() for line in found.hunk.lines]
    if lines == list(found.hunk.lines) or sites(draft.lines, old_side(lines), trailing):
        return None
    return _only_said(draft, lines)


def _only_said(draft: Draft, lines: Sequence[str]) -> Draft:
    return replace(draft, hunks=(Hunk(1, tuple(lines), "@@"),))


@family.refused("ambiguous.squeezed")
def _squeezed(draft: Draft, rng: Random) -> Draft | None:
    """A line with spaces missing inside, which stands in several places with them."""
    found = several(draft, rng)
    if found is None:
        return None
    lines = [
        line[0] + line[1:].replace(", ", ",").replace(" = ", "=") if line[0] != "+" else line
        for line in found.hunk.lines
    ]
    old = old_side(lines)
    if sites(draft.lines, old, trailing) or sites(draft.lines, [x.strip() for x in old], str.strip):
        return None
    return _only_said(draft, lines)


@family.refused("ambiguous.planted-copy")
def _planted(draft: Draft, rng: Random) -> Draft | None:
    """A whole method stands twice in the file, and the hunk shows no line outside it."""
    hunk = draft.hunks[0]
    old = old_side(hunk.lines)
    if not old[0].startswith("    ") or any(line and not line.startswith("    ") for line in old):
        return None
    baseline = _copied_class(draft.baseline, hunk)
    if baseline is None or len(results(baseline, [hunk.lines])) < 2:
        return None
    other = replace(hunk, header=rng.choice(["@@", "@@ -5000,7 +5000,7 @@", hunk.header or ""]))
    if other.header == hunk.header:
        other = replace(hunk, header=_stated(hunk, hunk.start + 3))
    if hunk.start + 2 in sites(file_lines(baseline), old):
        return None
    return replace(draft, baseline=baseline, hunks=(other,))


def _copied_class(text: str, hunk: Hunk) -> str | None:
    """The file with a copy, by another name, of the class that the hunk is in."""
    lines = file_lines(text)
    heads = [n for n, line in enumerate(lines) if line.startswith("class ")]
    above = [n for n in heads if n < hunk.site]
    if not above or not lines[above[-1]].startswith("class ") or "(" not in lines[above[-1]]:
        return None
    start = above[-1]
    end = next(
        (n for n in range(start + 1, len(lines)) if lines[n][:1] not in ("", " ")), len(lines)
    )
    if end < hunk.site + hunk.counts[0]:
        return None
    head, _, bases = lines[start].partition("(")
    copy = ["", "", f"{head}Copy({bases}", *lines[start + 1 : end]]
    planted = "\n".join([*lines[:end], *copy, *lines[end:]]) + "\n"
    return planted if parses(planted) else None


@family.applies("ambiguous.one-text")
def _one_text(draft: Draft, rng: Random) -> Draft | None:
    """Several places that give one text: one of two equal lines side by side goes away."""
    at = rng.randrange(1, len(draft.lines))
    if not draft.lines[at].strip() or draft.lines.count(draft.lines[at]) != 1:
        return None
    lines = draft.baseline.split("\n")
    doubled = "\n".join([*lines[:at], lines[at], *lines[at:]])
    body = [f"-{lines[at]}"]
    if not parses(doubled) or results(doubled, [body]) != {draft.baseline}:
        return None
    hunk = Hunk(at + 1, tuple(body), rng.choice(["@@", f"@@ -{at + 7} +{at + 6},0 @@"]))
    return replace(draft, baseline=doubled, hunks=(hunk,), expected=frozenset({draft.baseline}))


@family.refused("ambiguous.blank-anchor")
def _blank_anchor(draft: Draft, rng: Random) -> Draft | None:
    """An insertion that only blank lines hold in place."""
    if sum(not line for line in draft.lines) < 3:
        return None
    added = rng.choice([[" ", "+import math"], ["+import math", " "], [" ", "+import math", " "]])
    if len(results(draft.baseline, [added], exact)) < 2:
        return None
    return _only_said(draft, added)
