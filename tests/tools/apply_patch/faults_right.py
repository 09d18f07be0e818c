"""Right answers, each of which somebody's lenience spoils."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, draft_of
from tests.tools.apply_patch.reference import edits_at
from tests.tools.apply_patch.rework import is_unique
from tests.tools.apply_patch.syntax import indentation, parses

family = Family()

DIFF_LIKE = ("-- a/net.py", "++ b/net.py", "@@ -1,2 +1,2 @@", "- a", "+ b", "text")
WRAPPING = ("```", "> quoted", "text", "<<<<<<< SEARCH")
OLD_ONLY = ("...", "# ... existing code ...", "&lt;delta&gt;")


def _recontext(name: str, context: int) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """A right diff with another number of context lines."""
        other = draft_of(draft.source, draft.baseline, draft.edited, context=context)
        return replace(other, encode=draft.encode)


_recontext("right.context-3", 3)
_recontext("right.context-1", 1)
_recontext("right.context-8", 8)
_recontext("right.whole-file", 100_000)


@family.applies("right.lines-like-a-diff")
def _like_a_diff(draft: Draft, rng: Random) -> Draft | None:
    """The file has lines that look like parts of a diff, and a right diff is about them."""
    return _with_notes(draft, rng, (*DIFF_LIKE, *WRAPPING, "<delta>"), OLD_ONLY)


@family.applies("right.lines-like-a-diff-bare-header")
def _like_a_diff_bare(draft: Draft, rng: Random) -> Draft | None:
    """The same without numbers, in an indented text, where nothing else begins like a diff."""
    made = _with_notes(draft, rng, [f"    {note}" for note in WRAPPING], ("    &lt;p&gt;",))
    if made is None or not is_unique(made):
        return None
    hunks = tuple(replace(hunk, header="@@") for hunk in made.hunks)
    return replace(made, hunks=hunks, refusal_allowed=True)


def _with_notes(
    draft: Draft, rng: Random, pool: Sequence[str], only_old: Sequence[str]
) -> Draft | None:
    """The file with a text of such lines, some of which change; ``only_old`` ones are not new."""
    lines = draft.baseline.split("\n")
    first = [n for n, line in enumerate(lines) if line.startswith(("class ", "def "))]
    if not first or first[0] < 1 or lines[first[0] - 1].strip():
        return None
    notes = [rng.choice((*pool, *only_old)) for _ in range(6)]
    others = [rng.choice([[], [note], [note], [note], [rng.choice(pool)]]) for note in notes]
    changed = [note for other in others for note in other]
    if changed == notes:
        return None
    texts = [
        "\n".join([*lines[: first[0]], 'NOTES = """', *each, '"""', "", *lines[first[0] :]])
        for each in (notes, changed)
    ]
    made = replace(draft_of(draft.source, texts[0], texts[1]), encode=draft.encode)
    new = {line[1:] for hunk in made.hunks for line in hunk.lines if line[:1] == "+"}
    return made if all(map(parses, texts)) and not new & set(only_old) else None


@family.applies("placeholder.of-the-file")
def _placeholder_of_file(draft: Draft, rng: Random) -> Draft | None:
    """The file itself has a comment like a placeholder; the diff shows it or removes it."""
    edit = edits_at(draft.hunks[0].lines, draft.hunks[0].site)[0]
    lines = draft.baseline.split("\n")
    at = edit.start - rng.choice([0, 1, 2])
    if at < 1 or not lines[at].strip():
        return None
    mark = f"{indentation(lines[at])}# ... existing code ..."
    baseline = "\n".join([*lines[:at], mark, *lines[at:]])
    removed = rng.random() < 0.5
    below = [*edit.lines, *lines[edit.end :]]
    between = lines[at : edit.start]
    edited = "\n".join([*lines[:at], *([] if removed else [mark]), *between, *below])
    if not parses(baseline) or not parses(edited):
        return None
    return replace(draft_of(draft.source, baseline, edited), encode=draft.encode)
