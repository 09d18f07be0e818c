"""Faults of white space: at line ends, of indentation, of markers, of blank lines."""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, Family, Hunk
from tests.tools.apply_patch.reference import edits_at, merged
from tests.tools.apply_patch.rework import as_its_hunks_say, each_line, is_old, with_lines
from tests.tools.apply_patch.syntax import parses

family = Family()


@family.applies("space.trailing-lost")
def _trailing_lost(draft: Draft, rng: Random) -> Draft | None:
    """Every line of the answer is stripped at its end, blank context lines to nothing."""
    if any(line.startswith("+") and line.rstrip() != line for line in all_lines(draft)):
        return None
    return each_line(draft, str.rstrip)


def all_lines(draft: Draft) -> list[str]:
    return [line for hunk in draft.hunks for line in hunk.lines]


@family.applies("space.trailing-in-file")
def _trailing_in_file(draft: Draft, rng: Random) -> Draft | None:
    """The file has white space at line ends that the answer does not show; context keeps it."""

    def spaced(index: int, line: str) -> str:
        return line + rng.choice(["  ", " ", "\t"]) if rng.random() < 0.5 else line

    if any(line != line.rstrip() for line in draft.lines):
        return None
    shown = {hunk.site + n for hunk in draft.hunks for n in range(hunk.counts[0])}
    return with_file(draft, [spaced(n, x) if n in shown else x for n, x in enumerate(draft.lines)])


def with_file(draft: Draft, lines: list[str]) -> Draft | None:
    """The same answer to a file whose lines differ in what does not count."""
    if lines == draft.lines:
        return None
    every = lines + [""] * draft.baseline.endswith("\n")
    edits = [edit for hunk in draft.hunks for edit in edits_at(hunk.lines, hunk.site)]
    result = merged(every, edits)
    assert result is not None
    return replace(draft, baseline="\n".join(every), expected=frozenset({"\n".join(result)}))


@family.applies("space.trailing-added")
def _trailing_added(draft: Draft, rng: Random) -> Draft | None:
    """Old lines in the answer end in white space that the file does not have."""
    return each_line(
        draft, lambda line: line + rng.choice(["", " ", "   "]) if is_old(line) else line
    )


def _lossy(name: str, chance: float) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """Context lines without their marker, be it one, some or all of them."""
        if any(line[:1] == " " and _is_marked(line[1:]) for line in all_lines(draft)):
            return None
        context = sum(line[:1] == " " and line.strip() != "" for line in all_lines(draft))
        if not context:
            return None
        chosen = rng.randrange(context) if chance == 0 else -1
        seen = iter(range(10_000))

        def lost(line: str) -> str:
            if line[:1] != " " or not line.strip():
                return line
            return line[1:] if next(seen) == chosen or rng.random() < chance else line

        return each_line(draft, lost)


def _is_marked(text: str) -> bool:
    return text[:1] in ("-", "+", "@", "\\", "<", "=", ">", "*", "`") or text.startswith("...")


_lossy("space.marker-lost-one", 0)
_lossy("space.marker-lost-some", 0.5)
_lossy("space.marker-lost-all", 1)


@family.applies("space.dedented")
def _dedented(draft: Draft, rng: Random) -> Draft | None:
    """The code of each hunk begins in the first column: the indentation they share is lost."""
    hunks = [_moved_left(hunk) for hunk in draft.hunks]
    if None in hunks:
        return None
    changed = replace(draft, hunks=tuple(hunk for hunk in hunks if hunk is not None))
    return None if changed == draft else changed


def _moved_left(hunk: Hunk) -> Hunk | None:
    code = [line[1:] for line in hunk.lines if line[1:].strip() and line[0] != "\\"]
    if any("\t" in line for line in code):
        return None
    common = min(len(line) - len(line.lstrip()) for line in code)
    lines = [line[0] + line[1 + common :] if line[0] != "\\" else line for line in hunk.lines]
    return with_lines(hunk, lines)


def _shifted(name: str, indent: str) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """Each line of code stands further right, the added ones like the others."""
        return each_line(draft, lambda x: x[0] + indent + x[1:] if x[1:].strip() else x)


_shifted("space.after-marker", " ")
_shifted("space.shifted-2", "  ")
_shifted("space.shifted-4", "    ")
_shifted("space.shifted-8", "        ")


@family.applies("space.tabs-in-diff")
def _tabs_in_diff(draft: Draft, rng: Random) -> Draft | None:
    """The file is indented by four spaces, the answer by tabs."""
    if "\t" in draft.answer + draft.baseline or not _by_fours(draft.answer.split("\n")):
        return None
    return each_line(draft, lambda line: line[0] + tabbed(line[1:]))


@family.applies("space.tabs-in-file")
def _tabs_in_file(draft: Draft, rng: Random) -> Draft | None:
    """The file is indented by tabs, the answer by four spaces."""
    lines = draft.baseline.split("\n")
    if "\t" in draft.baseline + draft.edited:
        return None
    if not _by_fours([" " + line for line in lines]) or not _by_fours(draft.answer.split("\n")):
        return None
    baseline = "\n".join(map(tabbed, lines))
    edited = "\n".join(map(tabbed, draft.edited.split("\n")))
    if not parses(baseline) or not parses(edited):
        return None
    return replace(draft, baseline=baseline, edited=edited, expected=frozenset({edited}))


def _by_fours(lines: list[str]) -> bool:
    code = [line[1:] for line in lines if line[1:].strip()]
    return all((len(line) - len(line.lstrip())) % 4 == 0 for line in code)


def tabbed(line: str) -> str:
    """The line with a tab for every four spaces that it begins with."""
    body = line.lstrip(" ")
    return "\t" * ((len(line) - len(body)) // 4) + body if body else line


def _squeezed(name: str, markers: str) -> None:
    @family.applies(name)
    def make(draft: Draft, rng: Random) -> Draft | None:
        """Old lines without the spaces that style asks for, or with more of them."""

        def change(line: str) -> str:
            if line[:1] not in markers or "'" in line or '"' in line or "#" in line:
                return line
            code = line[1:].lstrip()
            return line[: len(line) - len(code)] + style(code)

        styles: list[Callable[[str], str]] = [
            lambda code: code.replace(", ", ","),
            lambda code: code.replace(" = ", "="),
            lambda code: code.replace(", ", ",  ").replace(" = ", "  = "),
            lambda code: code[:1] + code[1:].replace("(", "( ").replace(")", " )"),
        ]
        style = rng.choice(styles)
        return each_line(draft, change)


_squeezed("space.inside-context", " ")
_squeezed("space.inside-removed", "-")
_squeezed("space.inside-old", " -")


@family.applies("space.as-written")
def _as_written(draft: Draft, rng: Random) -> Draft | None:
    """Added lines with odd spaces of their own, over context that is right: they stay so."""
    styles: list[Callable[[str], str]] = [
        lambda code: code.replace(", ", " ,"),
        lambda code: code.replace(" = ", "   =   "),
        lambda code: code + "  ",
    ]
    style = rng.choice(styles)

    def change(line: str) -> str:
        return "+" + style(line[1:]) if line[:1] == "+" and line[1:].strip() else line

    changed = each_line(draft, change)
    return None if changed is None else as_its_hunks_say(changed)
