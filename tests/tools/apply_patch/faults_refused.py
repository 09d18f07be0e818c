"""Answers that are no delta of this file: other files, old news, placeholders, no Python."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk, diff, draft_of, numbered
from tests.tools.apply_patch.faults_dressing import AFTER, BEFORE
from tests.tools.apply_patch.reference import (
    characters,
    dense_sites,
    edits_at,
    merged,
    old_side,
    results,
)
from tests.tools.apply_patch.rework import (
    dressed,
    has_marker,
    line_at,
    literal,
    picked,
    put,
    with_lines,
)
from tests.tools.apply_patch.syntax import indentation, parses

family = Family()


def _placeholder(name: str, marks: Sequence[str]) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """A comment among the added lines stands for code that is not written out."""
        at = picked(draft, rng, "+")
        if at is None:
            return None
        line = line_at(draft, at)
        mark = f"+{indentation(line[1:])}{rng.choice(marks)}"
        made = put(draft, at, rng.choice([[line, mark], [mark, line]]))
        text = literal(made)
        return made if text is not None and parses(text) else None


_placeholder(
    "placeholder.dots",
    (
        "# ... existing code ...",
        "# ... unchanged ...",
        "# ... rest of the layers unchanged ...",
        "# ... (rest of the method) ...",
        "# ... other layers ...",
    ),
)
_placeholder(
    "placeholder.words",
    (
        "# rest of the code remains unchanged",
        "# existing code here",
        "# the rest of the method stays the same",
        "# (remaining code unchanged)",
        "# keep the existing code",
    ),
)
_placeholder(
    "placeholder.ellipsis-character", ("# \u2026 existing code \u2026", "# \u2026 rest unchanged")
)


@family.refused("placeholder.for-removed")
def _placeholder_removed(draft: Draft, rng: Random) -> Draft | None:
    """Removed lines come back as a placeholder."""
    at = picked(draft, rng, "-")
    if at is None:
        return None
    line = line_at(draft, at)
    mark = f"+{indentation(line[1:])}# ... same as before ..."
    made = put(draft, at, [line, mark])
    text = literal(made)
    return made if text is not None and parses(text) else None


@family.applies("placeholder.not-one")
def _no_placeholder(draft: Draft, rng: Random) -> Draft | None:
    """Dots that mean something: an index, a range in a comment."""
    at = picked(draft, rng, "+")
    if at is None:
        return None
    line = line_at(draft, at)
    note = rng.choice(["# widths 16, 32, ..., 128", "shape = torch.zeros(2, 3)[..., :1].shape"])
    made = put(draft, at, [line, f"+{indentation(line[1:])}{note}"])
    text = literal(made)
    if text is None or not parses(text):
        return None
    return replace(made, expected=frozenset({text}))


def _topped(name: str, *tops: Sequence[str]) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        return replace(draft, top=tuple(rng.choice(tops)))


_topped(
    "other.deletes-file",
    ("--- a/net.py", "+++ /dev/null"),
    ("diff --git a/net.py b/net.py", "deleted file mode 100644", "--- a/net.py", "+++ /dev/null"),
)


@family.refused("other.new-file")
def _new_file(draft: Draft, rng: Random) -> Draft | None:
    """The whole network as a new file."""
    body = [f"+{line}" for line in draft.edited.split("\n")]
    if draft.edited.endswith("\n"):
        body.pop()
    git = ["diff --git a/net.py b/net.py", "new file mode 100644"] * (rng.random() < 0.5)
    top = (*git, "--- /dev/null", "+++ b/net.py")
    return replace(draft, top=top, hunks=(Hunk(0, tuple(body), f"@@ -0,0 +1,{len(body)} @@"),))


@family.refused("other.codex-adds-file")
def _codex_adds(draft: Draft, rng: Random) -> Draft | None:
    body = "".join(f"+{line}\n" for line in draft.edited.removesuffix("\n").split("\n"))
    return dressed(draft, f"*** Begin Patch\n*** Add File: better.py\n{body}*** End Patch\n")


@family.refused("other.codex-deletes-file")
def _codex_deletes(draft: Draft, rng: Random) -> Draft | None:
    return dressed(draft, "*** Begin Patch\n*** Delete File: net.py\n*** End Patch\n")


def _second_file(name: str, first: str, second: str) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """The diff is about two files."""
        other = (
            f"--- a/{second}\n+++ b/{second}\n@@ -1,2 +1,2 @@\n import sys\n-lr = 0.1\n+lr = 0.2\n"
        )
        mine = replace(draft, top=(f"--- a/{first}", f"+++ b/{first}")).answer
        return dressed(draft, mine + other if rng.random() < 0.5 else other + mine)


_second_file("other.two-files", "net.py", "train.py")
_second_file("other.two-files-in-folders", "models/net.py", "models/blocks.py")


@family.refused("other.two-files-each-fits")
def _two_fit(draft: Draft, rng: Random) -> Draft | None:
    """Two files, although every hunk fits this one."""
    if len(draft.hunks) < 2:
        return None
    tops = [("--- a/net.py", "+++ b/net.py"), ("--- a/blocks.py", "+++ b/blocks.py")]
    halves = [
        replace(draft, top=top, hunks=hunks).answer
        for top, hunks in zip(tops, (draft.hunks[:1], draft.hunks[1:]), strict=True)
    ]
    return dressed(draft, "".join(halves))


def _no_place(draft: Draft) -> bool:
    """True where some hunk has no place at all, blank lines and white space apart."""
    return any(not dense_sites(draft.lines, old_side(hunk.lines)) for hunk in draft.hunks)


@family.refused("stale.reversed")
def _reversed(draft: Draft, rng: Random) -> Draft | None:
    """The diff from the edited network to the parent."""
    hunks = diff(draft.edited, draft.baseline)
    made = replace(draft, hunks=hunks)
    return made if _no_place(made) else None


def _applied(name: str, *, removals: bool, bare: bool) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """The file is what the diff makes of it already."""
        lines = [line for hunk in draft.hunks for line in hunk.lines]
        if any(line[:1] == "-" for line in lines) != removals:
            return None
        hunks = tuple(replace(x, header="@@") if bare else x for x in draft.hunks)
        made = replace(draft, baseline=draft.edited, hunks=hunks)
        return made if all(_no_place(replace(made, hunks=(hunk,))) for hunk in hunks) else None


_applied("stale.applied-with-removals", removals=True, bare=False)
_applied("stale.applied-with-removals-bare", removals=True, bare=True)
_applied("stale.applied-insertion", removals=False, bare=False)
_applied("stale.applied-insertion-bare", removals=False, bare=True)


@family.refused("stale.one-hunk-applied")
def _one_applied(draft: Draft, rng: Random) -> Draft | None:
    """One of several hunks is in the file already."""
    which = rng.randrange(len(draft.hunks))
    hunk = draft.hunks[which]
    lines = merged(draft.baseline.split("\n"), edits_at(hunk.lines, hunk.site))
    if len(draft.hunks) < 2 or lines is None or has_marker(draft):
        return None
    made = replace(draft, baseline="\n".join(lines))
    return made if _no_place(replace(made, hunks=(hunk,))) else None


@family.refused("stale.applied-anchor-only")
def _applied_anchor(draft: Draft, rng: Random) -> Draft | None:
    """An insertion below one line of context, or above one, which is in the file already."""
    if len(draft.hunks) != 1 or has_marker(draft):
        return None
    lines = draft.hunks[0].lines
    added = [n for n, line in enumerate(lines) if line[:1] == "+"]
    if len(added) != sum(line[:1] != " " for line in lines) or added[-1] - added[0] >= len(added):
        return None
    body = lines[: added[-1] + 1] if rng.random() < 0.5 else lines[added[0] :]
    text = "\n".join(line[1:] for line in lines if line[:1] == "+")
    old = [line for line in body if line[:1] == " " and line.strip()]
    if not old or text in draft.baseline or len(text.strip()) < 12:
        return None
    return replace(draft, baseline=draft.edited, hunks=(Hunk(1, body, "@@"),))


@family.refused("insertion.no-anchor")
def _no_anchor(draft: Draft, rng: Random) -> Draft | None:
    """Added lines alone, and no number that says where."""
    added = [line for line in draft.hunks[0].lines if line[:1] == "+"]
    if not added or len(draft.hunks) != 1 or draft.hunks[0].lines[0][:1] == "-":
        return None
    header = rng.choice(["@@", "@@ ... @@", "@@ -X,0 +X,1 @@", "@@ def forward(self, x):"])
    return replace(draft, hunks=(Hunk(1, tuple(added), header),))


@family.applies("insertion.no-context-right-numbers")
def _no_context(draft: Draft, rng: Random) -> Draft | None:
    """A well-formed insertion without context: applied at its line, or refused."""
    bare = draft_of(draft.source, draft.baseline, draft.edited, context=0)
    if not any(hunk.counts[0] == 0 for hunk in bare.hunks) or has_marker(bare):
        return None
    return replace(bare, encode=draft.encode, refusal_allowed=True)


def _nothing(name: str, *texts: str) -> None:
    @family.refused(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        return dressed(draft, rng.choice(texts))


_nothing("nothing.empty", "", "\n", "   \n\n")
_nothing("nothing.prose", *BEFORE, *AFTER, "I would not change anything: the network is fine.")
_nothing("nothing.header-only", "--- a/net.py\n+++ b/net.py\n", "```diff\n--- a/net.py\n")
_nothing("nothing.empty-hunk", "--- a/net.py\n+++ b/net.py\n@@ -1,3 +1,3 @@\n", "@@\n", "@@ @@\n")
_nothing("nothing.tags-only", "<delta></delta>", '<hp>{"lr": 0.1}</hp><delta>\n</delta>')
_nothing("nothing.bullets", "- widen the stem\n- add dropout\n+ train longer\n")


@family.refused("nothing.code-block")
def _code_block(draft: Draft, rng: Random) -> Draft | None:
    """The whole new network in a fence, not a diff."""
    return dressed(draft, f"{rng.choice(BEFORE)}\n\n```python\n{draft.edited}\n```\n")


@family.refused("nothing.whole-file")
def _whole_file(draft: Draft, rng: Random) -> Draft | None:
    return dressed(draft, draft.edited)


@family.refused("nothing.code-fragment")
def _fragment(draft: Draft, rng: Random) -> Draft | None:
    """The new lines with their surroundings, without markers."""
    body = [line[1:] for line in draft.hunks[0].lines if line[:1] in (" ", "+")]
    return dressed(draft, "```python\n" + "\n".join(body) + "\n```\n")


@family.refused("nothing.context-only")
def _context_only(draft: Draft, rng: Random) -> Draft | None:
    lines = draft.baseline.split("\n")[2:8]
    return replace(draft, hunks=numbered([Hunk(3, tuple(f" {line}" for line in lines))]))


@family.refused("nothing.same-line")
def _same_line(draft: Draft, rng: Random) -> Draft | None:
    """Lines are replaced by themselves."""
    lines: list[str] = []
    for line in draft.hunks[0].lines:
        if line[:1] == "-" and not line[1:].strip():
            return None
        lines += [line, f"+{line[1:]}"] if line[:1] == "-" else [line] * (line[:1] == " ")
    if not any(line[:1] == "-" for line in lines) or has_marker(draft):
        return None
    return replace(draft, hunks=numbered([with_lines(draft.hunks[0], lines)]))


def _broken(draft: Draft, at: tuple[int, int], lines: Sequence[str]) -> Draft | None:
    """The draft with these lines, where what they make is not Python."""
    made = put(draft, at, lines)
    text = literal(made)
    return made if text is not None and not parses(text) else None


@family.refused("not-python.bracket")
def _bracket(draft: Draft, rng: Random) -> Draft | None:
    at = picked(draft, rng, "+")
    if at is None or not set(line_at(draft, at)) & set("()"):
        return None
    line = line_at(draft, at)
    cut = line.rsplit(rng.choice([x for x in "()" if x in line]), 1)
    return _broken(draft, at, ["".join(cut)])


@family.refused("not-python.indentation")
def _indentation(draft: Draft, rng: Random) -> Draft | None:
    at = picked(draft, rng, "+")
    if at is None:
        return None
    line = line_at(draft, at)
    moved = rng.choice(["+   " + line[1:], "+" + line[1:].lstrip(), "+ " + line[1:]])
    return _broken(draft, at, [moved])


@family.refused("not-python.cut-off")
def _cut_off(draft: Draft, rng: Random) -> Draft | None:
    """The answer ends in the middle of an added line."""
    if has_marker(draft):
        return None
    which = len(draft.hunks) - 1
    hunk = draft.hunks[which]
    added = [n for n, line in enumerate(hunk.lines) if line[:1] == "+" and len(line.strip()) > 12]
    if not added:
        return None
    n = added[-1]
    line = hunk.lines[n]
    cut = line[: rng.randrange(len(line) - len(line[1:].lstrip()) + 3, len(line))]
    made = replace(draft, hunks=(*draft.hunks[:-1], replace(hunk, lines=(*hunk.lines[:n], cut))))
    texts = results(draft.baseline, [hunk.lines for hunk in made.hunks])
    if any(map(parses, texts)) or characters(cut[1:]) in map(characters, draft.lines):
        return None
    return dressed(made, made.answer.removesuffix("\n"))


@family.refused("not-python.prose-added")
def _prose_added(draft: Draft, rng: Random) -> Draft | None:
    at = picked(draft, rng, "+")
    if at is None:
        return None
    line = line_at(draft, at)
    prose = f"+{indentation(line[1:])}This makes the network wider."
    return _broken(draft, at, [prose, line])


@family.refused("conflict.replaced-twice")
def _twice(draft: Draft, rng: Random) -> Draft | None:
    """Two hunks put different lines in the place of the same ones."""
    at = picked(draft, rng, "+")
    if at is None or not any(x[:1] == "-" for x in draft.hunks[at[0]].lines):
        return None
    other = put(draft, at, [f"{line_at(draft, at)}  # or so"], renumber=False).hunks[at[0]]
    return replace(draft, hunks=(*draft.hunks, replace(other, header="@@")))


@family.refused("conflict.two-drafts")
def _two_drafts(draft: Draft, rng: Random) -> Draft | None:
    """Two diffs in two fences, of which the second has other new lines than the first."""
    at = picked(draft, rng, "+")
    if at is None or not any(x[:1] == "-" for x in draft.hunks[at[0]].lines):
        return None
    other = put(draft, at, [f"{line_at(draft, at)}  # or so"])
    blocks = [f"```diff\n{each.answer}```\n" for each in (draft, other)]
    return dressed(draft, "Let me reconsider:\n".join(blocks))


@family.refused("conflict.inserted-twice")
def _inserted_twice(draft: Draft, rng: Random) -> Draft | None:
    """Two hunks insert different lines in the same place."""
    at = picked(draft, rng, "+")
    if at is None or any(x[:1] == "-" for x in draft.hunks[at[0]].lines):
        return None
    other = put(draft, at, [f"{line_at(draft, at)}  # or so"], renumber=False).hunks[at[0]]
    return replace(draft, hunks=(*draft.hunks, other))


@family.refused("conflict.kept-and-removed")
def _kept_and_removed(draft: Draft, rng: Random) -> Draft | None:
    """One hunk removes a line that another shows as context of its own change."""
    at = picked(draft, rng, " ")
    if at is None or len(draft.hunks) != 1:
        return None
    line = line_at(draft, at)[1:]
    site = draft.hunks[0].site + sum(x[:1] != "+" for x in draft.hunks[0].lines[: at[1]])
    if draft.lines.count(line) != 1 or draft.lines[site] != line:
        return None
    second = numbered([Hunk(site + 1, (f"-{line}", f"+{line}  # now this"))])
    if "#" in line or '"' in line or "'" in line:
        return None
    return replace(draft, hunks=(*draft.hunks, *second))
