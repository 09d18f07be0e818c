"""Drafts: pairs whose text is right, and which have not been built."""

import difflib
from collections.abc import Sequence
from functools import lru_cache

from deltanas_repo_store.delta import split_lines
from deltanas_repo_store.errors import PatchError
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.finetune_lora.corpus import CorpusSettings, with_frozen_parts


class LeftOut(Exception):
    """There is nothing to learn from two networks; the message says why, for counting."""


def usable_child(parent: str, child: str, settings: CorpusSettings) -> str:
    """Return the child that a short delta of the editable lines leads to.

    Where the child's frozen functions differ, or its line ends, comments and blank lines alone,
    they are its parent's again: what is no change of the network is not to be learned.

    Raises:
        LeftOut: there is none.
    """
    try:
        repaired = with_frozen_parts(parent, with_line_ends(parent, child))
        repaired = without_idle_changes(parent, repaired)
        if repaired == parent:
            raise LeftOut("nothing else differs")
        delta = _grammar(parent).write(repaired)
    except PatchError as error:
        is_frozen = error.code == "frozen-parts"
        raise LeftOut("frozen parts differ" if is_frozen else "not writable") from error
    if delta.count("\n") > settings.max_delta_lines:
        raise LeftOut("the delta is too long")
    return repaired


def is_short(source: str, settings: CorpusSettings) -> bool:
    """Tell whether a source fits into a prompt."""
    return source.count("\n") <= settings.max_lines


def with_line_ends(parent: str, child: str) -> str:
    """Return the child with lines that end as its parent's do, down to the last one."""
    text = child.replace("\r\n", "\n")
    if not text.endswith("\n"):
        text += "\n"
    last = parent.rpartition("\n")[2]
    if last and text.rpartition("\n")[0].rpartition("\n")[2] == last.removesuffix("\r"):
        text = text.removesuffix("\n")
    return text.replace("\n", "\r\n") if "\r\n" in parent else text


def without_idle_changes(parent: str, child: str) -> str:
    """Return the child without changes of nothing but comments, blank lines, and ends of lines."""
    old, new = split_lines(parent), split_lines(child)
    bare_old, bare_new = [line.rstrip() for line in old], [line.rstrip() for line in new]
    matcher = difflib.SequenceMatcher(None, bare_old, bare_new, autojunk=False)
    lines: list[str] = []
    for _, i, i_end, j, j_end in matcher.get_opcodes():
        before, after = bare_old[i:i_end], bare_new[j:j_end]
        is_idle = before == after or (_says_nothing(before) and _says_nothing(after))
        lines += old[i:i_end] if is_idle else new[j:j_end]
    return "".join(lines)


def _says_nothing(lines: Sequence[str]) -> bool:
    return all(not line or line.lstrip().startswith("#") for line in lines)


@lru_cache(maxsize=256)
def _grammar(parent: str) -> DeltaGrammar:
    return DeltaGrammar.of(parent)
