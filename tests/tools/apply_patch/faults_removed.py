"""Removed lines that the file does not have, not there, or not in that order."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family
from tests.tools.apply_patch.reference import characters, first_results
from tests.tools.apply_patch.rework import has_marker, line_at, picked, put, replaced, with_lines
from tests.tools.apply_patch.syntax import indentation

family = Family()

INVENTED = (
    "assert torch.cuda.is_available(), 'a GPU is needed'",
    "self.register_buffer('steps', torch.zeros((), dtype=torch.long))",
    "logging.getLogger(__name__).warning('untested setting')",
    "yield from sorted(self.__dict__.items(), key=repr)",
    "with torch.autocast('cuda', dtype=torch.bfloat16): pass",
)


def is_nowhere(draft: Draft, text: str) -> bool:
    """True for a line that the file does not have, nor anything like it."""
    folded = characters(text)
    have = [characters(line) for line in draft.lines]
    matcher = difflib.SequenceMatcher(None, "", folded, autojunk=False)
    for line in have:
        matcher.set_seq1(line)
        if line == folded or (matcher.quick_ratio() > 0.5 and matcher.ratio() > 0.5):
            return False
    return True


def invented(line: str, rng: Random) -> str:
    return indentation(line) + rng.choice(INVENTED)


@family.refused("removed.invented")
def _removed_invented(draft: Draft, rng: Random) -> Draft | None:
    """A removed line is not in the file, nor anything like it."""
    at = picked(draft, rng, "-")
    if at is None:
        return None
    line = invented(line_at(draft, at)[1:], rng)
    return put(draft, at, [f"-{line}"]) if is_nowhere(draft, line) else None


@family.refused("removed.one-more")
def _removed_one_more(draft: Draft, rng: Random) -> Draft | None:
    """A line that is not in the file is removed beside those that are."""
    at = picked(draft, rng, "-")
    if at is None:
        return None
    line = line_at(draft, at)
    other = invented(line[1:], rng)
    lines = [line, f"-{other}"] if rng.random() < 0.5 else [f"-{other}", line]
    return put(draft, at, lines) if is_nowhere(draft, other) else None


def _misremembered(name: str, pattern: str, other: str) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """A removed line is like one of the file, and is not it."""
        at = picked(draft, rng, "-")
        if at is None:
            return None
        line = line_at(draft, at)
        found = [*re.finditer(pattern, line[1:].split("#")[0])]
        if not found:
            return None
        match = rng.choice(found)
        changed = line[1 : 1 + match.start()] + match.expand(other) + line[1 + match.end() :]
        if folded(draft) & {characters(changed)}:
            return None
        return put(draft, at, [f"-{changed}"])


def folded(draft: Draft) -> set[str]:
    return {characters(line) for line in draft.lines}


_misremembered("removed.number-differs", r"(?<![\w.])(\d+)(?![\w.])", r"\g<1>1")
_misremembered("removed.name-differs", r"self\.(\w+)", r"self.\g<1>s")
_misremembered("removed.argument-more", r"(?<=\w)\)", r", inplace=True)")
_misremembered("removed.case-differs", r"(?<=nn\.)([A-Z])", r"x\g<1>")


@family.applies("removed.comment-differs")
def _removed_comment(draft: Draft, rng: Random) -> Draft | None:
    """A removed line differs in a trailing comment only: applied or refused."""
    at = picked(draft, rng, "-")
    if at is None:
        return None
    line = line_at(draft, at)
    if set(line) & set("#'\"\\"):
        return None
    made = put(draft, at, [f"{line}  # {rng.choice(['old', 'to be replaced', 'was here'])}"])
    return replace(made, refusal_allowed=True)


@family.refused("removed.swapped")
def _removed_swapped(draft: Draft, rng: Random) -> Draft | None:
    """Two removed lines stand in the other order in the file."""
    which = rng.randrange(len(draft.hunks))
    lines = [*draft.hunks[which].lines]
    pairs = [
        n
        for n in range(len(lines) - 1)
        if lines[n][:1] == lines[n + 1][:1] == "-"
        and lines[n][1:].strip()
        and lines[n + 1][1:].strip()
        and characters(lines[n]) != characters(lines[n + 1])
    ]
    if not pairs or has_marker(draft):
        return None
    n = rng.choice(pairs)
    lines[n : n + 2] = lines[n + 1], lines[n]
    if first_results(draft.baseline, [lines]):
        return None
    return replaced(draft, which, with_lines(draft.hunks[which], lines))


@family.refused("removed.from-elsewhere")
def _removed_elsewhere(draft: Draft, rng: Random) -> Draft | None:
    """The removed line is in the file, but far from the context around it."""
    at = picked(draft, rng, "-")
    if at is None:
        return None
    hunk = draft.hunks[at[0]]
    context = [line[1:] for line in hunk.lines if line[:1] == " " and line[1:].strip()]
    far = [
        line
        for n, line in enumerate(draft.lines)
        if line.strip() and abs(n - hunk.site) > 20 and draft.lines.count(line) == 1
    ]
    if not far or len(context) < 4:
        return None
    return put(draft, at, [f"-{rng.choice(far)}"])


def _hidden_removals(name: str, marks: Sequence[str]) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """Some of the removed lines are left away, and dots say so."""
        for which, hunk in enumerate(draft.hunks):
            removed = [n for n, line in enumerate(hunk.lines) if line[:1] == "-"]
            runs = [n for n in removed if {n + 1, n + 2} <= set(removed)]
            if runs and not has_marker(draft):
                end = runs[0] + 2
                while end + 1 in removed and rng.random() < 0.7:
                    end += 1
                mark = rng.choice(marks)
                lines = [*hunk.lines[: runs[0] + 1], mark, *hunk.lines[end:]]
                return replaced(draft, which, with_lines(hunk, lines))
        return None


_hidden_removals("removed.elided-marked", ("-...", "-        ...", "-    # ...", "- ... (3 lines)"))
_hidden_removals("removed.elided-plain", ("...", " ...", "\u2026"))
_hidden_removals("removed.elided-comment", (" # ... more of the same ...", "-# ... rest of it ..."))
