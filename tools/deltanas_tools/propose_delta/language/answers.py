"""From what a model wrote to the answer that is kept, in whatever format it was asked for."""

import re
from dataclasses import dataclass

from deltanas_repo_store.delta import render_delta
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.propose_delta.language.soundness import is_sound

_FENCED = re.compile(r"^(`{3,}|~{3,})[^\n]*\n(.*?)(?:^\1[`~]*\s*$|\Z)", re.DOTALL | re.MULTILINE)
_CLOSED = re.compile(r"^(`{3,}|~{3,})[^\n]*\n.*^\1\s*$", re.DOTALL | re.MULTILINE)
_BARE_FENCE = re.compile(r"^`{3,}\s*$", re.MULTILINE)
_CODE_LINE = re.compile(r"^(?:import |from \w[\w.]* import |class |def |@|\"\"\"|#)", re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """What is made of a model's words."""

    text: str
    is_sound: bool
    """Whether it is worth building, as far as that can be told; nothing is told of free words."""


def completed(text: str, grammar: DeltaGrammar, *, frozen_parts: bool) -> Answer:
    """Return the strict unified diff that hunks without numbers mean.

    An answer counts as far as it is sound: small models rarely know when to stop, and tokens run
    out. Where no beginning of it is sound, it counts as far as it is whole; where none is whole
    either, its complete lines come back as they are. A gate will say what is wrong with them.
    """
    source, longest = grammar.source, grammar.cut(text)
    whole = longest
    while whole:
        after = grammar.read(whole)
        if is_sound(source, after, frozen_parts=frozen_parts):
            return Answer(render_delta(source, after), is_sound=True)
        whole = grammar.cut(_without_last_line(whole))
    if longest:
        return Answer(render_delta(source, grammar.read(longest)), is_sound=False)
    return Answer(text[: text.rfind("\n") + 1] or text, is_sound=False)


def _without_last_line(text: str) -> str:
    return text[: text.rindex("\n", 0, -1) + 1]


def as_delta(text: str, source: str) -> str:
    """Return what turns the parent into the file that a model wrote.

    A copy of the parent becomes a delta that adds what it removes: that is what it says. A text
    without code comes back as it is.
    """
    written = whole_file(text)
    if not written:
        return text
    if written != source:
        return render_delta(source, written)
    first = source.split("\n", 1)[0]
    return f"--- a/net.py\n+++ b/net.py\n@@ -1 +1 @@\n-{first}\n+{first}\n"


def whole_file(text: str) -> str:
    """Return the file in an answer: its longest fenced block, or from its first line of code on.

    Empty where there is none. A block that is not closed counts: tokens may have run out.
    """
    # A closing fence without an opening one is common: the code is what stands before it.
    unfenced = _BARE_FENCE.split(text, maxsplit=1)[0]
    begin = _CODE_LINE.search(unfenced)
    if begin is None or "```" in unfenced:
        blocks = [found[2] for found in _FENCED.finditer(text)]
        return max(blocks, key=len, default="")
    code = unfenced[begin.start() :]
    return code if code.endswith("\n") else f"{code}\n"


def is_over(text: str) -> bool:
    """Tell whether a free answer has closed a fenced block: what follows is talk."""
    return _CLOSED.search(text) is not None
