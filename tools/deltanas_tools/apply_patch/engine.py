"""The engine: locate every hunk by its content, combine the edits, pass the gates.

Pure and total: any two texts in, `Applied` or `Refused` out. A place is never chosen because
it is near. Stated line numbers decide between several places only where every header of the
diff counts its lines right and the hunk stands, to the letter, at its stated line.
"""

import ast
import difflib
import itertools
from dataclasses import dataclass
from typing import Literal

from deltanas_repo_store.errors import PatchError
from deltanas_tools.apply_patch.hunks import Hunk, HunkLine, Unreadable, read_hunks
from deltanas_tools.delta import render_delta

Code = Literal[
    "no-hunk",
    "new-file",
    "delete-file",
    "multi-file",
    "stray-line",
    "no-anchor",
    "ambiguous",
    "not-found",
    "already-applied",
    "conflict",
    "no-op",
    "syntax",
]
"""Why an answer is refused."""

MAX_SITES_COMPARED = 64
"""So many places of an ambiguous hunk are tried for giving one and the same text."""


MAX_LINE_COMPARED = 200
"""Characters of a line that are compared when the nearest one is looked for."""


@dataclass(frozen=True)
class Applied:
    """The parent with the delta applied."""

    text: str
    canonical_diff: str
    """Unified diff from the parent to ``text``: what the store keeps and ``git show`` shows."""
    relaxations: tuple[str, ...]
    """What a strict reader would have refused; empty for a strictly correct answer."""


@dataclass(frozen=True)
class Refused:
    """Why the answer cannot be applied, in a form that a model can act on."""

    code: Code
    message: str
    hunk: int = 0
    """Number of the hunk at fault, from 1; 0 where the whole answer is."""
    line: str = ""
    """The offending line as the answer has it."""
    sites: tuple[int, ...] = ()
    """Line numbers of the parent, from 1, that the hunk fits or comes nearest to."""

    def error(self) -> PatchError:
        """Return the same as an error, for those who asked for a result."""
        return PatchError(
            self.message, code=self.code, hunk=self.hunk, line=self.line, sites=self.sites
        )


@dataclass(frozen=True)
class _Baseline:
    """The parent as lines without their endings."""

    lines: list[str]
    final_newline: bool
    carriage_returns: bool
    """Most lines end in CR LF, and so will the added ones."""

    @classmethod
    def of(cls, text: str) -> "_Baseline":
        lines = text.split("\n")
        final_newline = lines[-1] == ""
        if final_newline:
            lines.pop()
        ending = sum(line.endswith("\r") for line in lines)
        return cls(lines, final_newline, carriage_returns=ending * 2 > len(lines))

    def added(self, text: str) -> str:
        bare = text.removesuffix("\r")
        return f"{bare}\r" if self.carriage_returns else bare


@dataclass(frozen=True)
class _Edit:
    """Replace the parent's lines ``start`` to ``end`` (from 0, end not included)."""

    start: int
    end: int
    lines: tuple[str, ...]
    hunk: int


@dataclass(frozen=True)
class _Placed:
    """A hunk at its site."""

    hunk: Hunk
    site: int

    def edits(self, baseline: _Baseline) -> list[_Edit]:
        edits: list[_Edit] = []
        at = start = self.site
        added: list[str] = []
        for line in self.hunk.lines:
            if line.op == "+":
                added.append(baseline.added(line.text))
                continue
            if line.op == " ":
                if added or at > start:
                    edits.append(_Edit(start, at, tuple(added), self.hunk.number))
                added, start = [], at + 1
            at += 1
        if added or at > start:
            edits.append(_Edit(start, at, tuple(added), self.hunk.number))
        return edits

    def kept(self) -> set[int]:
        old = self.hunk.old
        return {self.site + offset for offset, line in enumerate(old) if line.op == " "}


class _Refusal(Exception):
    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


def apply(baseline: str, answer: str) -> Applied | Refused:
    """Apply the delta in ``answer`` to ``baseline``: all of its hunks or nothing."""
    try:
        return _apply(baseline, answer)
    except Unreadable as reason:
        # The reader's codes are a part of ours.
        code: Code = reason.code  # type: ignore[assignment]
        return Refused(code, reason.message, hunk=reason.hunk, line=reason.line)
    except _Refusal as refusal:
        return refusal.refused


def _apply(text: str, answer: str) -> Applied:
    reading = read_hunks(answer)
    baseline = _Baseline.of(text)
    hunks = [hunk for hunk in reading.hunks if any(line.op != " " for line in hunk.lines)]
    if not hunks:
        raise _Refusal(Refused("no-op", "the delta changes nothing: no line is added or removed"))
    trusted = all(hunk.counts_right for hunk in reading.hunks)
    placed = [_locate(baseline, hunk, trusted=trusted) for hunk in hunks]
    result = _combine(baseline, placed)
    if result == text:
        raise _Refusal(Refused("no-op", "the delta changes nothing: it adds what it removes"))
    _check_syntax(text, result)
    relaxations = [*reading.dressing]
    for each in placed:
        name = f"hunk {each.hunk.number}"
        relaxations += [] if each.hunk.counts_right else [f"{name}: counts"]
        relaxations += [] if each.site == _stated(each.hunk) else [f"{name}: position"]
    return Applied(result, render_delta(text, result), tuple(relaxations))


def _stated(hunk: Hunk) -> int | None:
    """Return the stated site, from 0. An insertion states the line that it comes after."""
    if hunk.start is None:
        return None
    return hunk.start - 1 if hunk.old else hunk.start


def _locate(baseline: _Baseline, hunk: Hunk, *, trusted: bool) -> _Placed:
    old, stated = hunk.old, _stated(hunk)
    if not old:
        if not (trusted and stated is not None and stated <= len(baseline.lines)):
            raise _refusal(
                hunk,
                "no-anchor",
                "only adds lines and says nowhere; keep a line of the parent before or after them",
            )
        return _Placed(hunk, stated)
    sites = _sites(baseline, old)
    if len(sites) == 1:
        return _Placed(hunk, sites[0])
    if not sites:
        raise _not_found(baseline, hunk)
    if trusted and stated in sites:
        return _Placed(hunk, stated)
    if len(sites) <= MAX_SITES_COMPARED:
        results = {_combine(baseline, [_Placed(hunk, site)]) for site in sites}
        if len(results) == 1:
            return _Placed(hunk, sites[0])
    numbers = tuple(site + 1 for site in sites)
    raise _refusal(
        hunk,
        "ambiguous",
        f"fits at lines {_listing(numbers)}; add context lines that tell them apart",
        sites=numbers,
    )


def _sites(baseline: _Baseline, wanted: list[HunkLine]) -> list[int]:
    """Return every place, from 0, where the lines stand one after the other."""
    bare = [line.removesuffix("\r") for line in baseline.lines]
    texts = [line.text.removesuffix("\r") for line in wanted]
    at_the_end = not wanted[-1].newline and not baseline.final_newline
    first = len(bare) - len(texts) if at_the_end else 0
    return [
        at
        for at in range(max(first, 0), len(bare) - len(texts) + 1)
        if bare[at] == texts[0] and bare[at : at + len(texts)] == texts
    ]


def _not_found(baseline: _Baseline, hunk: Hunk) -> _Refusal:
    added = any(line.op == "+" for line in hunk.lines)
    if added and (there := _sites(baseline, hunk.new)):
        return _refusal(
            hunk,
            "already-applied",
            f"is applied already: its new lines stand at line {there[0] + 1}",
            sites=(there[0] + 1,),
        )
    bare = [line.removesuffix("\r") for line in baseline.lines]
    known = set(bare)
    absent = next((line for line in hunk.old if line.text not in known), None)
    if absent is None:
        return _refusal(
            hunk,
            "not-found",
            "has old lines that are all in the parent, but not one after the other as here",
            line=hunk.old[0].text,
        )
    # The comparison is quadratic in the lines' length: their beginnings must do.
    heads = [line[:MAX_LINE_COMPARED] for line in bare]
    nearest = difflib.get_close_matches(absent.text[:MAX_LINE_COMPARED], heads, n=1, cutoff=0.5)
    sites = tuple(heads.index(each) + 1 for each in nearest)
    hint = f"; the nearest is line {sites[0]}: {nearest[0]!r}" if sites else ""
    return _refusal(
        hunk,
        "not-found",
        f"has the line {absent.text[:MAX_LINE_COMPARED]!r}, which is not in the parent{hint}",
        line=absent.text,
        sites=sites,
    )


def _combine(baseline: _Baseline, placed: list[_Placed]) -> str:
    """Return the parent with all edits, or refuse where they disagree."""
    edits = {
        (edit.start, edit.end, edit.lines): edit for each in placed for edit in each.edits(baseline)
    }
    ordered = sorted(edits.values(), key=lambda edit: (edit.start, edit.end))
    for before, after in itertools.pairwise(ordered):
        if after.start < before.end or (after.start, after.end) == (before.start, before.end):
            raise _disagreement(after.hunk, before.hunk, after.start)
    removed = {line: edit.hunk for edit in ordered for line in range(edit.start, edit.end)}
    for each in placed:
        for line in each.kept() & removed.keys():
            raise _disagreement(each.hunk.number, removed[line], line)
    lines: list[str] = []
    done = 0
    for edit in ordered:
        lines += [*baseline.lines[done : edit.start], *edit.lines]
        done = edit.end
    lines += baseline.lines[done:]
    return "\n".join(lines) + ("\n" if lines and _ends_in_newline(baseline, placed) else "")


def _ends_in_newline(baseline: _Baseline, placed: list[_Placed]) -> bool:
    """Say whether the result does: as the parent, unless a marker says otherwise."""
    for each in placed:
        old, new = each.hunk.old, each.hunk.new
        if new and not new[-1].newline:
            return False
        if old and not old[-1].newline and new and new[-1].newline:
            return True
    return baseline.final_newline


def _disagreement(hunk: int, other: int, line: int) -> _Refusal:
    message = f"hunks {other} and {hunk} disagree about line {line + 1} of the parent"
    return _Refusal(Refused("conflict", message, hunk=hunk, sites=(line + 1,)))


def _check_syntax(before: str, after: str) -> None:
    if _syntax_error(before) is None and (error := _syntax_error(after)) is not None:
        message = f"the result is not Python: line {error.lineno}: {error.msg}: {error.text!r}"
        raise _Refusal(Refused("syntax", message, sites=(error.lineno or 0,)))


def _syntax_error(text: str) -> SyntaxError | None:
    try:
        ast.parse(text)
    except SyntaxError as error:
        return error
    except (ValueError, RecursionError, MemoryError) as error:
        # NUL bytes, and nesting that the parser gives up on.
        return SyntaxError(f"{type(error).__name__}: {error}")
    return None


def _refusal(
    hunk: Hunk, code: Code, message: str, *, line: str = "", sites: tuple[int, ...] = ()
) -> _Refusal:
    text = f"hunk {hunk.number} {message}"
    return _Refusal(Refused(code, text, hunk=hunk.number, line=line, sites=sites))


def _listing(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(str(number) for number in numbers[:5])
    return shown + (f" and {len(numbers) - 5} more" if len(numbers) > 5 else "")
