"""The pieces of the corpus: a hunk, a draft that faults are put into, and the case it becomes."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Literal

from tests.tools.apply_patch.reference import file_lines

NO_NEWLINE = "\\ No newline at end of file"
FILE_HEADER = ("--- a/net.py", "+++ b/net.py")


@dataclass(frozen=True)
class Case:
    """An answer to a baseline, and what is right to make of it."""

    fault: str
    name: str
    baseline: str
    answer: str
    expected: frozenset[str]
    """Every text that is right; empty: it must be refused."""
    refusal_allowed: bool
    """True where refusing is right as well."""


@dataclass(frozen=True)
class Hunk:
    """A hunk as difflib makes it, and then as a fault leaves it."""

    start: int
    """The first old line, from 1; the line before, where there is no old line."""
    lines: tuple[str, ...]
    header: str | None = None
    """The line above it; None: no line at all."""

    @property
    def counts(self) -> tuple[int, int]:
        """How many old and new lines it has."""
        return (
            sum(line[:1] in (" ", "-") for line in self.lines),
            sum(line[:1] in (" ", "+") for line in self.lines),
        )

    @property
    def site(self) -> int:
        """The index, from 0, of its first old line in the baseline."""
        return self.start - 1 if self.counts[0] else self.start


@dataclass(frozen=True)
class Draft:
    r"""A baseline, its edit as hunks, and the answer made of them so far.

    Texts have LF line ends here; a file with CRLF gets them back when it becomes a case.
    """

    source: str
    baseline: str
    edited: str
    hunks: tuple[Hunk, ...]
    expected: frozenset[str]
    refusal_allowed: bool = False
    top: tuple[str, ...] = FILE_HEADER
    text: str | None = None
    """The answer, once a fault has dressed it; until then it is rendered from the hunks."""
    encode: Callable[[str], str] = field(default=str)
    """What makes the file's bytes of its text, for the baseline and all that is expected."""

    @property
    def answer(self) -> str:
        """The answer as the model gives it."""
        if self.text is not None:
            return self.text
        lines = [*self.top]
        for hunk in self.hunks:
            lines += [] if hunk.header is None else [hunk.header]
            lines += hunk.lines
        return "".join(f"{line}\n" for line in lines)

    @property
    def lines(self) -> list[str]:
        """The lines of the baseline."""
        return file_lines(self.baseline)

    def case(self, fault: str, number: int) -> Case:
        """The draft as a case."""
        return Case(
            fault=fault,
            name=f"{fault}/{self.source}/{number}",
            baseline=self.encode(self.baseline),
            answer=self.answer,
            expected=frozenset(self.encode(text) for text in self.expected),
            refusal_allowed=self.refusal_allowed,
        )


Make = Callable[[Draft, Random], Draft | None]


@dataclass(frozen=True)
class Fault:
    """One way in which an answer goes wrong, and what is due then."""

    name: str
    due: Literal["apply", "refuse"]
    make: Make

    def __call__(self, draft: Draft, rng: Random) -> Draft | None:
        """The draft with the fault; None where it does not suit or leaves room for doubt."""
        made = self.make(draft, rng)
        if made is None or self.due == "apply":
            return made
        return replace(made, expected=frozenset())


class Family:
    """The faults of one module, in the order in which they are written."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def applies(self, name: str) -> Callable[[Make], Make]:
        """Register a fault that an applier has to see through."""
        return self._register(name, "apply")

    def refused(self, name: str) -> Callable[[Make], Make]:
        """Register a fault that leaves nothing to apply with certainty."""
        return self._register(name, "refuse")

    def _register(self, name: str, due: Literal["apply", "refuse"]) -> Callable[[Make], Make]:
        def register(make: Make) -> Make:
            self.faults.append(Fault(name, due, make))
            return make

        return register


def draft_of(source: str, baseline: str, edited: str, *, context: int = 3) -> Draft:
    """The right answer for an edit: what every fault begins with."""
    return Draft(
        source=source,
        baseline=baseline,
        edited=edited,
        hunks=diff(baseline, edited, context),
        expected=frozenset({edited}),
    )


def diff(before: str, after: str, context: int = 3) -> tuple[Hunk, ...]:
    """The hunks between two texts, with right numbers and no-newline markers."""
    old, new = _keepends(before), _keepends(after)
    bodies: list[tuple[int, list[str]]] = []
    for line in list(difflib.unified_diff(old, new, n=context))[2:]:
        if line.startswith("@@"):
            bodies.append((int(line.split()[1].split(",")[0][1:]), []))
        else:
            bodies[-1][1].append(line.removesuffix("\n"))
            bodies[-1][1].extend([] if line.endswith("\n") else [NO_NEWLINE])
    return numbered([Hunk(start, tuple(body)) for start, body in bodies])


def _keepends(text: str) -> list[str]:
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def numbered(hunks: Sequence[Hunk]) -> tuple[Hunk, ...]:
    """The hunks, in the order of the file, with headers that are right in every number."""
    result, shift = [], 0
    for hunk in hunks:
        old, new = hunk.counts
        start = hunk.start + shift + (old == 0) - (new == 0)
        result.append(replace(hunk, header=f"@@ -{_span(hunk.start, old)} +{_span(start, new)} @@"))
        shift += new - old
    return tuple(result)


def _span(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"
