"""Faults around the diff: all that a model says and wraps, none of which has a say."""

import html
from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family
from tests.tools.apply_patch.rework import dressed
from tests.tools.apply_patch.syntax import parses

family = Family()

BEFORE = (
    "Here is the improved network as a unified diff:",
    "Sure! I would change the network a little, so that it learns faster.",
    "The parent reaches 61.3 % after one epoch. The change below should help:",
    "### Proposed delta\n\nThe idea is to make better use of the `forward` pass.",
)
AFTER = (
    "This keeps the number of parameters nearly the same.",
    "Let me know if you want me to try another variant!",
    "Explanation: the features are richer, while the cost of an epoch stays below the limit.",
)
BETWEEN = (
    "Then I adapt the rest of the network accordingly.",
    "And the second change, which needs the first one:",
)
BULLETS = (
    "**Changes:**\n\n- Richer features before the pooling\n- Nothing else is touched",
    "### Why this works\n\n* It regularises the classifier.\n* It trains as fast as before.",
    "Notes:\n1. The hyper-parameters stay as they are.\n2. The interface stays, too.",
    "- **Stem**: a little wider than before\n- **Head**: unchanged",
)
SNIPPET = "x = torch.randn(2, 3, 32, 32)\nprint(Net((1, 3, 32, 32), (10,), {}, 'cpu')(x).shape)"
TRANSFORM = (
    "import torchvision.transforms as transforms\n\n\ndef transform(norm):\n"
    "    return transforms.Compose([transforms.ToTensor(), transforms.Normalize(*norm)])"
)


def _wrapped(name: str, before: str, after: str) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        return dressed(draft, f"{before}{draft.answer}{after}")


for _name, _before, _after in (
    ("dress.fence-diff", "```diff\n", "```\n"),
    ("dress.fence-plain", "```\n", "```\n"),
    ("dress.fence-python", "```python\n", "```\n"),
    ("dress.fence-patch", "```patch\n", "```\n"),
    ("dress.fence-tilde", "~~~diff\n", "~~~\n"),
    ("dress.fence-long", "````diff\n", "````\n"),
    ("dress.fence-named", "```diff title=net.py\n", "```\n"),
    ("dress.fence-unclosed", "```diff\n", ""),
    ("dress.fence-closing-only", "", "```\n"),
    ("dress.fence-no-break", "```diff\n\n", "\n```"),
    ("dress.tag-delta", "<delta>\n", "</delta>\n"),
    ("dress.tag-diff", "<diff>\n", "</diff>\n"),
    ("dress.tag-patch", "<patch>\n", "</patch>\n"),
    ("dress.tag-unclosed", "<delta>\n", ""),
    ("dress.tag-and-fence", "<delta>\n```diff\n", "```\n</delta>\n"),
    ("dress.fence-and-tag", "```xml\n<delta>\n", "</delta>\n```\n"),
    ("dress.bom", "\ufeff", ""),
    ("dress.copied-from-chat", "diff\nCopy code\n", ""),
    ("dress.blank-lines-around", "\n\n  \n", "\n\n\n"),
):
    _wrapped(_name, _before, _after)


def _around(
    name: str, build: Callable[[Random, str], str], needs: Callable[[Draft], bool] = bool
) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        return dressed(draft, build(rng, draft.answer)) if needs(draft) else None


for _name, _build in (
    ("dress.prose-before", lambda rng, diff: f"{rng.choice(BEFORE)}\n\n{diff}"),
    ("dress.prose-after", lambda rng, diff: f"{diff}\n{rng.choice(AFTER)}\n"),
    (
        "dress.prose-around-fence",
        lambda rng, diff: f"{rng.choice(BEFORE)}\n\n```diff\n{diff}```\n\n{rng.choice(AFTER)}\n",
    ),
    (
        "dress.prose-after-unclosed-fence",
        lambda rng, diff: f"```diff\n{diff}\n{rng.choice(AFTER)}\n",
    ),
    ("dress.bullets-after", lambda rng, diff: f"{diff}\n{rng.choice(BULLETS)}\n"),
    ("dress.bullets-right-after", lambda rng, diff: f"{diff}{rng.choice(BULLETS)}\n"),
    (
        "dress.bullets-after-fence",
        lambda rng, diff: f"```diff\n{diff}```\n\n{rng.choice(BULLETS)}\n",
    ),
    ("dress.bullets-before", lambda rng, diff: f"{rng.choice(BULLETS)}\n\n```diff\n{diff}```\n"),
    (
        "dress.think",
        lambda rng, diff: f"<think>\n{rng.choice(BEFORE)} {rng.choice(AFTER)}\n</think>\n\n{diff}",
    ),
    (
        "dress.think-closing-only",
        lambda rng, diff: (
            f"{rng.choice(BEFORE)} {rng.choice(AFTER)}\n</think>\n```diff\n{diff}```\n"
        ),
    ),
    (
        "dress.think-draft",
        lambda rng, diff: (
            "<think>\nFirst try:\n```diff\n@@ -1 +1 @@\n-import torch\n+import torch, math\n```\n"
            f"No, better leave that.\n</think>\n```diff\n{diff}```\n"
        ),
    ),
    (
        "dress.envelope",
        lambda rng, diff: (
            f'<hp>{{"lr": 0.01, "batch": 64}}</hp>\n<tr>\n{TRANSFORM}\n</tr>\n'
            f"<delta>\n{diff}</delta>\n"
        ),
    ),
    (
        "dress.envelope-with-fence",
        lambda rng, diff: (
            f'{rng.choice(BEFORE)}\n\n<hp>{{"lr": 0.01}}</hp><tr>{TRANSFORM}</tr><delta>\n'
            f"```diff\n{diff}```\n</delta>\n{rng.choice(AFTER)}\n"
        ),
    ),
    ("dress.envelope-one-line", lambda rng, diff: f'<hp>{{"lr": 0.1}}</hp><delta>{diff}</delta>'),
    (
        "dress.snippet-before",
        lambda rng, diff: f"A check:\n```python\n{SNIPPET}\n```\nThe delta:\n```diff\n{diff}```\n",
    ),
    (
        "dress.snippet-after",
        lambda rng, diff: f"```diff\n{diff}```\nTo try it:\n```python\n{SNIPPET}\n```\n",
    ),
    (
        "dress.shell-after",
        lambda rng, diff: f"```diff\n{diff}```\nApply with:\n```bash\npatch -p1 < net.diff\n```\n",
    ),
    ("dress.whole-twice", lambda rng, diff: f"{diff}{diff}"),
    (
        "dress.fence-twice",
        lambda rng, diff: f"```diff\n{diff}```\n\nOnce more, in full:\n\n```diff\n{diff}```\n",
    ),
):
    _around(_name, _build)


@family.applies("dress.quoted")
def _quoted(draft: Draft, rng: Random) -> Draft | None:
    lines = [f"> {line}" for line in draft.answer.split("\n")[:-1]]
    return dressed(draft, "".join(f"{line}\n" for line in lines))


@family.applies("dress.quoted-stripped")
def _quoted_stripped(draft: Draft, rng: Random) -> Draft | None:
    """Quoted as mail programs do it: nothing at the end of a line, a bare ">" for an empty one."""
    if any(x[:1] == "+" and x != x.rstrip() for hunk in draft.hunks for x in hunk.lines):
        return None
    lines = [f"> {line}".rstrip() for line in draft.answer.split("\n")[:-1]]
    return dressed(draft, "".join(f"{line}\n" for line in lines))


def _indented(name: str, indent: str, before: str = "", after: str = "") -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        text = f"{before}{draft.answer}{after}"
        return dressed(draft, "".join(f"{indent}{line}\n" for line in text.split("\n")[:-1]))


_indented("dress.indented-4", "    ")
_indented("dress.indented-2", "  ")
_indented("dress.indented-tab", "\t")
_indented("dress.indented-fence", "   ", "```diff\n", "```\n")


@family.applies("dress.list-item")
def _list_item(draft: Draft, rng: Random) -> Draft | None:
    body = "".join(f"   {line}\n" for line in f"```diff\n{draft.answer}```".split("\n"))
    return dressed(draft, f"1. {rng.choice(BEFORE)}\n\n{body}\n2. {rng.choice(AFTER)}\n")


@family.applies("dress.html")
def _html(draft: Draft, rng: Random) -> Draft | None:
    escaped = html.escape(draft.answer, quote=rng.random() < 0.5)
    if escaped == draft.answer or "&" in draft.baseline + draft.answer:
        return None
    return dressed(draft, escaped)


def _each_hunk(draft: Draft) -> list[str]:
    return ["\n".join([hunk.header or "", *hunk.lines]) + "\n" for hunk in draft.hunks]


def _top(draft: Draft) -> str:
    return "".join(f"{line}\n" for line in draft.top)


@family.applies("dress.fence-per-hunk")
def _fence_per_hunk(draft: Draft, rng: Random) -> Draft | None:
    if len(draft.hunks) < 2:
        return None
    blocks = [f"```diff\n{_top(draft)}{hunk}```\n" for hunk in _each_hunk(draft)]
    return dressed(draft, f"\n{rng.choice(BETWEEN)}\n\n".join(blocks))


@family.applies("dress.fence-per-hunk-bare")
def _fence_per_hunk_bare(draft: Draft, rng: Random) -> Draft | None:
    if len(draft.hunks) < 2:
        return None
    return dressed(draft, "\n".join(f"```diff\n{hunk}```\n" for hunk in _each_hunk(draft)))


@family.applies("dress.prose-between-hunks")
def _prose_between(draft: Draft, rng: Random) -> Draft | None:
    if len(draft.hunks) < 2:
        return None
    between = f"\n{rng.choice(BETWEEN)}\n\n"
    return dressed(draft, _top(draft) + between.join(_each_hunk(draft)))


@family.applies("dress.hunk-twice")
def _hunk_twice(draft: Draft, rng: Random) -> Draft | None:
    hunks = _each_hunk(draft)
    hunks.append(rng.choice(hunks))
    return dressed(draft, _top(draft) + "".join(hunks))


@family.applies("dress.hunk-twice-numbers-differ")
def _hunk_twice_moved(draft: Draft, rng: Random) -> Draft | None:
    hunk = rng.choice(draft.hunks)
    copy = replace(hunk, header="@@ -{0},9 +{0},9 @@".format(hunk.start + rng.randrange(5, 50)))
    return replace(draft, hunks=(*draft.hunks, copy))


@family.applies("dress.codex")
def _codex(draft: Draft, rng: Random) -> Draft | None:
    body = "".join("@@\n" + "".join(f"{line}\n" for line in hunk.lines) for hunk in draft.hunks)
    if "\\" in body:
        return None
    return dressed(draft, f"*** Begin Patch\n*** Update File: net.py\n{body}*** End Patch\n")


@family.applies("dress.codex-anchored")
def _codex_anchored(draft: Draft, rng: Random) -> Draft | None:
    body = ""
    for hunk in draft.hunks:
        if any(line.startswith("\\") for line in hunk.lines):
            return None
        above = [line for line in draft.lines[: hunk.site] if line.startswith("class ")]
        body += f"@@ {above[-1]}\n" if above else "@@\n"
        body += "".join(f"{line}\n" for line in hunk.lines)
    return dressed(
        draft, f"```\n*** Begin Patch\n*** Update File: net.py\n{body}*** End Patch\n```\n"
    )


@family.applies("dress.heredoc")
def _heredoc(draft: Draft, rng: Random) -> Draft | None:
    """A shell command that would apply it: or refused."""
    text = f"```bash\npatch -p1 <<'EOF'\n{draft.answer}EOF\n```\n"
    return replace(draft, text=text, refusal_allowed=True)


@family.applies("dress.code-then-diff")
def _code_then_diff(draft: Draft, rng: Random) -> Draft | None:
    """The parent quoted in full before the diff: a block that is no diff."""
    assert parses(draft.baseline)
    if any(line.startswith(("@@", "---", "+++", "```")) for line in draft.lines):
        return None
    return dressed(
        draft,
        f"The parent:\n```python\n{draft.baseline}\n```\nThe delta:\n```diff\n{draft.answer}```\n",
    )
