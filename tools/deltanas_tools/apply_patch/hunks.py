"""What a diff says, whatever it was written like: hunks of kept, removed and added lines."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Op = Literal[" ", "-", "+"]


@dataclass(frozen=True)
class HunkLine:
    """One line of a hunk: kept, removed or added."""

    op: Op
    text: str
    newline: bool = True
    """False where the diff says that the file ends in this line, without a newline."""
    unmarked: str | None = None
    """The line as it reads if what looks like its marker is a part of it."""

    @property
    def readings(self) -> tuple[str, ...]:
        """What the line may say: without its marker first."""
        return (self.text,) if self.unmarked is None else (self.text, self.unmarked)

    @property
    def is_blank(self) -> bool:
        """Whether the line has only white space."""
        return not self.text or self.text.isspace()


@dataclass(frozen=True)
class Hunk:
    """A run of lines that belong together."""

    number: int
    """Position in the answer, from 1; the parts of an elided hunk share theirs."""
    lines: tuple[HunkLine, ...]
    start: int | None = None
    """First line of the old side as stated, from 1; for an insertion, the line before it."""
    new_start: int | None = None
    """The same for the new side."""
    counts_right: bool = False
    """The header has numbers, and they count these lines."""
    notes: tuple[str, ...] = ()
    """What had to be forgiven to read it."""

    @cached_property
    def old(self) -> tuple[HunkLine, ...]:
        """The lines that must stand in the parent."""
        return tuple(line for line in self.lines if line.op != "+")

    @cached_property
    def new(self) -> tuple[HunkLine, ...]:
        """The lines that stand there afterwards."""
        return tuple(line for line in self.lines if line.op != "-")

    @property
    def changes(self) -> bool:
        """Whether the hunk adds or removes anything."""
        return any(line.op != " " for line in self.lines)

    @property
    def stated(self) -> int | None:
        """The stated site, from 0. An insertion states the line that it comes after."""
        if self.start is None:
            return None
        return self.start - 1 if self.old else self.start


@dataclass(frozen=True)
class Reading:
    """The hunks of an answer, and what had to be forgiven to read them."""

    hunks: tuple[Hunk, ...]
    notes: tuple[str, ...] = ()
