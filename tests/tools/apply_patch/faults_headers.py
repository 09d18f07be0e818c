"""Faults in the file headers and in the headers of hunks: hints at best, never needed."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk, numbered
from tests.tools.apply_patch.reference import edits_at
from tests.tools.apply_patch.rework import has_marker, is_unique, with_lines

family = Family()


def _topped(name: str, *tops: Sequence[str]) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        return replace(draft, top=tuple(rng.choice(tops)))


_topped("file.none", ())
_topped(
    "file.odd-names",
    ("--- baseline.py", "+++ improved.py"),
    ("--- original", "+++ modified"),
    ("--- old/net.py", "+++ new/net.py"),
    ("--- a/baseline", "+++ b/baseline"),
)
_topped("file.no-prefix", ("--- net.py", "+++ net.py"))
_topped(
    "file.timestamps",
    ("--- net.py\t2025-02-03 10:11:12.000000000 +0100", "+++ net.py\t2025-02-03 10:12:13 +0100"),
    ("--- a/net.py\tMon Feb  3 10:11:12 2025", "+++ b/net.py\tMon Feb  3 10:12:13 2025"),
)
_topped(
    "file.git",
    (
        "diff --git a/net.py b/net.py",
        "index 3f2a1bc..9d0e7f4 100644",
        "--- a/net.py",
        "+++ b/net.py",
    ),
    (
        "diff --git a/net.py b/net.py",
        "old mode 100644",
        "new mode 100755",
        "index 3f2a1bc..9d0e7f4",
        "--- a/net.py",
        "+++ b/net.py",
    ),
)
_topped("file.git-line-only", ("diff --git a/net.py b/net.py",))
_topped(
    "file.svn",
    ("Index: net.py", "=" * 67, "--- net.py\t(revision 12)", "+++ net.py\t(working copy)"),
)
_topped("file.only-plus", ("+++ b/net.py",))
_topped("file.only-minus", ("--- a/net.py",))
_topped("file.blank-below", ("--- a/net.py", "+++ b/net.py", ""))
_topped("file.blank-between", ("--- a/net.py", "", "+++ b/net.py"))
_topped("file.no-names", ("---", "+++"))
_topped("file.spaces-in-name", ("--- a/my net.py", "+++ b/my net.py"))
_topped("file.folders", ("--- a/ab/nn/nn/net.py", "+++ b/ab/nn/nn/net.py"))


@family.applies("file.header-per-hunk")
def _header_per_hunk(draft: Draft, rng: Random) -> Draft | None:
    if len(draft.hunks) < 2:
        return None
    blocks = ["\n".join([*draft.top, hunk.header or "", *hunk.lines]) for hunk in draft.hunks]
    return replace(draft, text="\n".join(blocks) + "\n")


@family.applies("file.blank-between-hunks")
def _blank_between_hunks(draft: Draft, rng: Random) -> Draft | None:
    """A blank line below each hunk, which its counts do not hold."""
    blocks = ["\n".join([hunk.header or "", *hunk.lines, ""]) for hunk in draft.hunks]
    return replace(draft, text="\n".join([*draft.top, *blocks]) + "\n")


def _headed(name: str, head: Callable[[Hunk, Random], str], *, allowed: bool = False) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        hunks = tuple(replace(hunk, header=head(hunk, rng)) for hunk in draft.hunks)
        changed = replace(draft, hunks=hunks, refusal_allowed=draft.refusal_allowed or allowed)
        return None if hunks == draft.hunks else changed


def _numbers(hunk: Hunk) -> tuple[int, int, int, int]:
    """Old start and count, new start and count, as the right header has them."""
    found = re.match(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", hunk.header or "")
    assert found, hunk.header
    start, old, new_start, new = found.groups("1")
    return int(start), int(old), int(new_start), int(new)


def _header(start: int, old: int, new_start: int, new: int) -> str:
    return f"@@ -{start},{old} +{new_start},{new} @@"


def _off(number: int, rng: Random, most: int = 1) -> int:
    return max(0, number + rng.choice([-1, 1]) * rng.randint(1, most))


def _one_count_off(hunk: Hunk, rng: Random) -> str:
    start, old, new_start, new = _numbers(hunk)
    which = rng.randrange(3)
    old = _off(old, rng) if which != 1 else old
    new = _off(new, rng) if which != 0 else new
    return _header(start, old, new_start, new)


def _random_counts(hunk: Hunk, rng: Random) -> str:
    start, _, new_start, _ = _numbers(hunk)
    return _header(start, rng.randrange(1, 40), new_start, rng.randrange(1, 40))


def _moved(most: int) -> Callable[[Hunk, Random], str]:
    def head(hunk: Hunk, rng: Random) -> str:
        start, old, new_start, new = _numbers(hunk)
        by = rng.choice([-1, 1]) * rng.randint(1, most)
        return _header(max(1, start + by), old, max(1, new_start + by), new)

    return head


def _all_wrong(hunk: Hunk, rng: Random) -> str:
    return _header(*(rng.randrange(1, 200) for _ in range(4)))


def _one_number(hunk: Hunk, rng: Random) -> str:
    start, _, new_start, _ = _numbers(hunk)
    return f"@@ -{start} +{new_start} @@"


def _section(hunk: Hunk, rng: Random) -> str:
    return (
        f"{hunk.header} {rng.choice(['class Net(nn.Module):', 'def forward(self, x):', '# head'])}"
    )


_headed("counts.off-by-one", _one_count_off)
_headed("counts.random", _random_counts)
_headed("counts.zero", lambda hunk, rng: _header(_numbers(hunk)[0], 0, _numbers(hunk)[2], 0))
_headed("counts.one-number", _one_number)
_headed("position.off-by-few", _moved(3))
_headed("position.off-by-many", _moved(400))
_headed("position.new-side-wrong", lambda hunk, rng: _new_side_wrong(hunk, rng))
_headed("header.all-numbers-wrong", _all_wrong)
_headed("header.bare", lambda hunk, rng: "@@")
_headed("header.bare-pair", lambda hunk, rng: "@@ @@")
_headed("header.dots", lambda hunk, rng: "@@ ... @@")
_headed("header.letters", lambda hunk, rng: "@@ -X,Y +X,Y @@")
_headed("header.letters-indexed", lambda hunk, rng: "@@ -n1,m1 +n2,m2 @@ class Net(nn.Module):")
_headed("header.function", lambda hunk, rng: "@@ def forward(self, x): @@")
_headed("header.function-open", lambda hunk, rng: "@@ class Net(nn.Module):")
_headed("header.words", lambda hunk, rng: f"@@ line {hunk.start} @@")
_headed("header.section", _section)
_headed("header.tight", lambda hunk, rng: (hunk.header or "").replace(" ", ""))
_headed("header.half", lambda hunk, rng: (hunk.header or "").removesuffix(" @@"))
_headed("header.signs-lost", lambda hunk, rng: re.sub(r"[-+]", "", hunk.header or ""))
_headed("header.plus-lost", lambda hunk, rng: (hunk.header or "").replace("+", ""))
_headed("header.spaces", lambda hunk, rng: (hunk.header or "").replace(",", ", "))
_headed("header.padded", lambda hunk, rng: f"{hunk.header}   ")


def _new_side_wrong(hunk: Hunk, rng: Random) -> str:
    start, old, new_start, new = _numbers(hunk)
    return _header(start, old, new_start + rng.randrange(1, 9), new)


@family.applies("header.none")
def _no_header(draft: Draft, rng: Random) -> Draft | None:
    """One hunk below the file header, or in a fence, and no line with @@."""
    if len(draft.hunks) != 1:
        return None
    bare = replace(draft, hunks=(replace(draft.hunks[0], header=None),))
    if rng.random() < 0.5:
        return bare
    return replace(bare, text=f"```diff\n{replace(bare, top=()).answer}```\n")


@family.applies("header.lost-between")
def _header_lost_between(draft: Draft, rng: Random) -> Draft | None:
    """Two hunks run into one: lines of the file are skipped between contexts, unsaid."""
    if len(draft.hunks) < 2 or any(line.startswith("\\") for line in draft.hunks[0].lines):
        return None
    first, second, *rest = draft.hunks
    joined = with_lines(first, [*first.lines, *second.lines])
    return replace(draft, hunks=(joined, *rest), refusal_allowed=True)


@family.applies("hunks.reversed-order")
def _reversed_order(draft: Draft, rng: Random) -> Draft | None:
    return replace(draft, hunks=draft.hunks[::-1]) if len(draft.hunks) > 1 else None


@family.applies("hunks.shuffled-bare")
def _shuffled(draft: Draft, rng: Random) -> Draft | None:
    hunks = [replace(hunk, header="@@") for hunk in draft.hunks]
    rng.shuffle(hunks)
    return replace(draft, hunks=tuple(hunks)) if len(hunks) > 1 else None


@family.applies("hunks.no-shift")
def _no_shift(draft: Draft, rng: Random) -> Draft | None:
    """Each hunk is numbered as if it were alone: new starts equal old starts."""
    alone = tuple(numbered([hunk])[0] for hunk in draft.hunks)
    return replace(draft, hunks=alone) if alone != draft.hunks else None


@family.applies("position.as-in-result")
def _as_in_result(draft: Draft, rng: Random) -> Draft | None:
    """Old starts count the lines that earlier hunks add: each hunk is one for the text so far."""
    hunks = []
    for hunk in draft.hunks:
        _, old, new_start, new = _numbers(hunk)
        hunks.append(replace(hunk, header=_header(new_start, old, new_start, new)))
    return None if hunks[-1].start == _numbers(hunks[-1])[0] else replace(draft, hunks=tuple(hunks))


@family.applies("hunks.overlapping-context")
def _overlapping(draft: Draft, rng: Random) -> Draft | None:
    """A hunk for each change, where context of one is context of the next."""
    return _one_each(draft, 3)


@family.applies("hunks.split")
def _split(draft: Draft, rng: Random) -> Draft | None:
    """A hunk for each change, with a line of context at most: they touch or leave a line out."""
    return _one_each(draft, 1)


def _one_each(draft: Draft, context: int) -> Draft | None:
    edits = [edit for hunk in draft.hunks for edit in edits_at(hunk.lines, hunk.site)]
    if len(edits) == len(draft.hunks) or has_marker(draft):
        return None
    hunks = []
    bounds = [0, *(edit.end for edit in edits[:-1])], [*(edit.start for edit in edits[1:]), None]
    for edit, low, high in zip(edits, *bounds, strict=True):
        above = draft.lines[max(low, edit.start - context) : edit.start]
        below = draft.lines[edit.end : high][:context]
        lines = [f" {line}" for line in above]
        lines += [f"-{line}" for line in draft.lines[edit.start : edit.end]]
        lines += [f"+{line}" for line in edit.lines] + [f" {line}" for line in below]
        hunks.append(Hunk(edit.start - len(above) + 1, tuple(lines)))
    made = replace(draft, hunks=numbered(hunks))
    return made if is_unique(made) else None
