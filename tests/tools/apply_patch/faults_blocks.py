"""SEARCH/REPLACE blocks: no diff at all, and as plain as one."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk
from tests.tools.apply_patch.faults_dressing import AFTER, BEFORE
from tests.tools.apply_patch.reference import characters, new_side, old_side, results
from tests.tools.apply_patch.rework import dressed, has_marker
from tests.tools.apply_patch.syntax import indentation

family = Family()


def block(old: Sequence[str], new: Sequence[str]) -> str:
    """One block in aider's form."""
    return "\n".join(["<<<<<<< SEARCH", *old, "=======", *new, ">>>>>>> REPLACE"]) + "\n"


def of_hunk(hunk: Hunk) -> str:
    """The block that says what a hunk says."""
    return block(old_side(hunk.lines), new_side(hunk.lines))


def _suits(draft: Draft) -> bool:
    return not has_marker(draft) and not any(
        line.startswith(("<<<<<<<", "=======", ">>>>>>>")) for line in draft.lines
    )


@family.applies("block.one")
def _one(draft: Draft, rng: Random) -> Draft | None:
    if len(draft.hunks) != 1 or not _suits(draft):
        return None
    return dressed(draft, of_hunk(draft.hunks[0]))


@family.applies("block.several")
def _several(draft: Draft, rng: Random) -> Draft | None:
    if len(draft.hunks) < 2 or not _suits(draft):
        return None
    return dressed(draft, "\n".join(map(of_hunk, draft.hunks)))


@family.applies("block.fenced-with-name")
def _fenced(draft: Draft, rng: Random) -> Draft | None:
    """As aider asks for it: the file's name, then a fence for each block."""
    if not _suits(draft):
        return None
    tag = rng.choice(["python", "", "diff"])
    return dressed(draft, "\n".join(f"net.py\n```{tag}\n{of_hunk(x)}```\n" for x in draft.hunks))


@family.applies("block.in-prose")
def _in_prose(draft: Draft, rng: Random) -> Draft | None:
    if not _suits(draft):
        return None
    blocks = f"\n{rng.choice(BEFORE)}\n\n".join(map(of_hunk, draft.hunks))
    return dressed(draft, f"{rng.choice(BEFORE)}\n\n{blocks}\n{rng.choice(AFTER)}\n")


@family.applies("block.in-delta-tag")
def _in_tag(draft: Draft, rng: Random) -> Draft | None:
    if not _suits(draft):
        return None
    return dressed(draft, "<delta>\n" + "".join(map(of_hunk, draft.hunks)) + "</delta>\n")


@family.applies("block.dedented")
def _dedented(draft: Draft, rng: Random) -> Draft | None:
    """The block lost the indentation that all its lines share."""
    if len(draft.hunks) != 1 or not _suits(draft):
        return None
    hunk = draft.hunks[0]
    code = [line[1:] for line in hunk.lines if line[1:].strip()]
    common = min(len(indentation(line)) for line in code)
    sides = [[x[common:] for x in side(hunk.lines)] for side in (old_side, new_side)]
    return dressed(draft, block(*sides)) if common else None


@family.applies("block.trailing-added")
def _trailing(draft: Draft, rng: Random) -> Draft | None:
    if not _suits(draft) or any(
        x.endswith(" ") for hunk in draft.hunks for x in hunk.lines if x[0] == "+"
    ):
        return None
    text = "".join(map(of_hunk, draft.hunks))
    spaced = text.replace("\n=======", "  \n=======")
    return dressed(draft, spaced)


@family.refused("block.absent")
def _absent(draft: Draft, rng: Random) -> Draft | None:
    """The block searches for a line that the file does not have."""
    if not _suits(draft):
        return None
    hunk = draft.hunks[0]
    old, new = old_side(hunk.lines), new_side(hunk.lines)
    removed = [n for n, line in enumerate(x for x in hunk.lines if x[0] != "+") if line[0] == "-"]
    if not removed:
        return None
    line = old[rng.choice(removed)]
    other = f"{indentation(line)}self.invented = nn.Bilinear(7, 7, {rng.randrange(99)})"
    old[old.index(line)] = other
    return dressed(draft, block(old, new)) if characters(line) != characters(other) else None


@family.refused("block.ambiguous")
def _ambiguous(draft: Draft, rng: Random) -> Draft | None:
    """The block searches for a line that stands in several places."""
    lines = [line for line in draft.lines if line.strip() and draft.lines.count(line) > 1]
    if not lines:
        return None
    line = rng.choice(lines)
    body = [f"-{line}", f"+{line}  # changed"]
    if len(results(draft.baseline, [body])) < 2:
        return None
    return dressed(replace(draft, hunks=()), block(old_side(body), new_side(body)))


@family.refused("block.empty-search")
def _empty(draft: Draft, rng: Random) -> Draft | None:
    """The block searches for nothing: an insertion anywhere."""
    return dressed(draft, block([], ["        self.invented = nn.Identity()"]))


@family.refused("block.no-change")
def _no_change(draft: Draft, rng: Random) -> Draft | None:
    old = old_side(draft.hunks[0].lines)
    return dressed(draft, block(old, old)) if _suits(draft) else None


@family.refused("block.placeholder")
def _placeholder(draft: Draft, rng: Random) -> Draft | None:
    """The replacement leaves lines away and says so."""
    if not _suits(draft) or len(draft.hunks) != 1:
        return None
    old, new = old_side(draft.hunks[0].lines), new_side(draft.hunks[0].lines)
    mark = rng.choice(["# ... rest of the code unchanged ...", "# ... existing code ..."])
    return dressed(draft, block(old, [*new[:-1], f"{indentation(new[-1])}{mark}"]))
