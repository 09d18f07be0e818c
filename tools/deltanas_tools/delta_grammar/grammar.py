"""The deltas of one source: a language to read, to write, and to hold decoders to."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from deltanas_repo_store.delta import split_lines
from deltanas_repo_store.errors import PatchError
from deltanas_tools.delta_grammar import rendering, writing
from deltanas_tools.delta_grammar.anchors import Anchors
from deltanas_tools.delta_grammar.automaton import Automaton
from deltanas_tools.delta_grammar.editable import (
    BYTE_ORDER_MARK,
    editable,
    indentation,
    next_code,
)
from deltanas_tools.delta_grammar.reading import SHOWN, Edit, Reading
from deltanas_tools.delta_grammar.rules import rules_of
from deltanas_tools.delta_grammar.writing import Change, changes_between

_ENTITY = re.compile(r"&(?:lt|gt|amp|quot|apos|nbsp|#\d{1,5}|#x[0-9a-fA-F]{1,4});")
"""What `apply_patch` takes for an escape for HTML, and undoes."""


@dataclass(frozen=True)
class DeltaGrammar:
    """Exactly the deltas that apply to one source in one way, and change it.

    A delta is hunks, each below a bare ``@@``: lines of the source in their order, kept (`` ``) or
    removed (``-``), and between them added lines (``+``), which are free. The old lines of a hunk
    stand in the source only once, so that its place follows from its text. Frozen functions keep
    their lines, and nothing is added to their ends.

    The grammars for decoders know all of this but three things, which `read` refuses: an edit
    that takes lines away and puts the same back elsewhere, so that nothing changes; code of
    another function that falls to a frozen one, because the line between them was removed; an
    HTML entity in an added line, which the applier would replace. `ebnf` leaves out one more.
    What no line shows by itself stays with the gate ``frozen`` of `apply_patch`: a decorator put
    above a frozen function, or ``Net.learn = other`` below.
    """

    source: str
    _automaton: Automaton
    _old: tuple[str, ...]
    """The lines of the source with their newlines."""

    @classmethod
    def of(cls, source: str, *, frozen_parts: bool = True, context: int = 1) -> "DeltaGrammar":
        """Return the deltas of a source.

        Args:
            source: The parent.
            frozen_parts: Whether `supported_hyperparameters`, `train_setup` and `learn` stay.
            context: Kept lines round a change where no more are needed; at least 1.
        """
        if context < 1:
            raise ValueError(f"a change needs a line of context, got {context}")
        text = source.removeprefix(BYTE_ORDER_MARK)
        old = split_lines(text)
        lines = tuple(line.removesuffix("\n") for line in old)
        ended = [line for line in old if line.endswith("\n")]
        has_returns = bool(ended) and all(line.endswith("\r\n") for line in ended)
        automaton = Automaton(
            lines,
            not lines or old[-1].endswith("\n"),
            "\r" if has_returns else "",
            editable(text, frozen_parts=frozen_parts),
            Anchors.of(lines),
            context,
        )
        return cls(source, automaton, tuple(old))

    def read(self, text: str) -> str:
        """Return the source with a delta applied.

        Raises:
            PatchError: the text is no delta of this source. Code ``stray-line``: a line may not
                stand where it does; ``no-hunk``: the text ends too early; ``no-op``: nothing
                changes; ``frozen``: a frozen function does.
        """
        reading = Reading(self._automaton)
        for line in text.removesuffix("\n").split("\n"):
            reading.read(line)
        edit = reading.edit()
        if edit is None or not text.endswith("\n"):
            raise PatchError(
                f"the delta ends in the midst of hunk {reading.num_hunks}: the lines down to the "
                "change must show its one place, and the last line must be complete",
                code="no-hunk",
                hunk=reading.num_hunks,
            )
        after = self._applied(edit)
        self._check(edit, after)
        return after

    def accepts(self, text: str) -> bool:
        """Tell whether a text is a delta of this source."""
        try:
            self.read(text)
        except PatchError:
            return False
        return True

    def cut(self, text: str) -> str:
        """Return the longest beginning of a text, in whole lines, that is a delta; "" if none is.

        For answers that ran out of tokens.
        """
        reading = Reading(self._automaton)
        lines = text.split("\n")[:-1]
        ends: list[tuple[int, Edit]] = []
        with suppress(PatchError):
            for number, line in enumerate(lines, start=1):
                reading.read(line)
                if (edit := reading.edit()) is not None:
                    ends.append((number, edit))
        for number, edit in reversed(ends):
            with suppress(PatchError):
                self._check(edit, self._applied(edit))
                return "".join(f"{line}\n" for line in lines[:number])
        return ""

    def write(self, after: str) -> str:
        """Return the delta from the source to another text.

        Raises:
            PatchError: there is none. Code ``no-op``: nothing changes, or only how the text ends;
                ``frozen``: a frozen function does; ``stray-line``: a line cannot be added.
        """
        changes, automaton = [*self._changes(after)], self._automaton
        if not changes:
            raise PatchError("no line differs from the source's", code="no-op")
        text = writing.render(changes, automaton.lines, automaton.anchors, automaton.context)
        if self.read(text) != after:
            raise _other_ends()
        return text

    def lark(self) -> str:
        """Return the grammar as llguidance reads it.

        Its parser holds three items a line at once, and 2,000 unless `LLParserLimits` allows more.
        """
        return rendering.lark(rules_of(self._automaton))

    def ebnf(self) -> str:
        """Return the grammar as xgrammar reads it.

        It lets a line be replaced by its like, which `read` refuses: xgrammar looks through the
        vocabulary for each state within a line, and that rule needs one for each character.
        """
        return rendering.ebnf(rules_of(self._automaton))

    def gbnf(self) -> str:
        """Return the grammar as llama.cpp reads it."""
        return rendering.gbnf(rules_of(self._automaton))

    def _applied(self, edit: Edit) -> str:
        pieces = self._pieces(edit)
        texts = [
            line if line.endswith("\n") or number == len(pieces) else self._ended(line)
            for number, (_, line) in enumerate(pieces, start=1)
        ]
        mark = BYTE_ORDER_MARK if self.source.startswith(BYTE_ORDER_MARK) else ""
        return mark + "".join(texts)

    def _pieces(self, edit: Edit) -> list[tuple[int | None, str]]:
        """Return the lines of the result, and which of the source's they are."""
        pieces: list[tuple[int | None, str]] = []
        for at, line in enumerate([*self._old, None]):
            pieces += [(None, self._ended(each)) for each in edit.inserted.get(at, ())]
            if line is not None and at not in edit.removed:
                pieces.append((at, line))
        return pieces

    def _ended(self, line: str) -> str:
        return f"{line}{self._automaton.returns}\n"

    def _check(self, edit: Edit, after: str) -> None:
        """Refuse what no grammar without context can.

        Raises:
            PatchError: see `read`.
        """
        if after == self.source:
            raise PatchError("the delta changes nothing: it adds what it removes", code="no-op")
        added = [line for lines in edit.inserted.values() for line in lines]
        escaped = next((line for line in added if _ENTITY.search(line)), None)
        if escaped is not None and not _ENTITY.search(self.source):
            raise PatchError(
                f"the delta adds {escaped[:SHOWN]!r}, which is escaped for HTML; write the "
                "characters themselves",
                code="stray-line",
                line=escaped,
            )
        self._check_ends(edit)

    def _check_ends(self, edit: Edit) -> None:
        """Refuse code behind a frozen function that would belong to it."""
        pieces, allowed = self._pieces(edit), self._automaton.editable
        texts = [line for _, line in pieces]
        places = {at: place for place, (at, _) in enumerate(pieces)}
        for span in allowed.frozen:
            place = next_code(texts, places[span.stop - 1] + 1)
            if place == len(texts) or pieces[place][0] == next_code(self._old, span.stop):
                continue
            indent = allowed.guards[span.stop]
            assert indent is not None
            if not indent.startswith(indentation(texts[place])):
                raise PatchError(
                    f"the delta puts {texts[place].rstrip()[:SHOWN]!r} into the frozen function "
                    f"above, {self._old[span.start].strip()[:SHOWN]!r}; indent it less",
                    code="frozen",
                    line=texts[place].rstrip(),
                    sites=(span.stop,),
                )

    def _changes(self, after: str) -> Iterator[Change]:
        """Yield the changes to another text, part by part between the frozen functions."""
        old, new = self._comparable(after)
        at = there = 0
        for span in self._automaton.editable.frozen:
            place = _find(new, old[span.start : span.stop], there)
            if place is None:
                raise PatchError(
                    f"the change touches a frozen function, {old[span.start].strip()!r} at line "
                    f"{span.start + 1}: it must stay as it is",
                    code="frozen",
                    sites=(span.start + 1,),
                )
            yield from changes_between(old[at : span.start], new[there:place], at)
            at, there = span.stop, place + len(span)
        yield from changes_between(old[at:], new[there:], at)

    def _comparable(self, after: str) -> tuple[list[str], list[str]]:
        """Return the lines of both texts, different where one cannot be kept as the other."""
        returns = self._automaton.returns
        old = [line.removesuffix(returns) for line in self._automaton.lines]
        ended = split_lines(after.removeprefix(BYTE_ORDER_MARK))
        new = [line.removesuffix("\n").removesuffix(returns) for line in ended]
        is_open = not self._automaton.final_newline
        if new and not ended[-1].endswith("\n"):
            if not is_open or new[-1] != old[-1]:
                raise _other_ends()
            new[-1] += "\n"
            old[-1] += "\n"
        elif is_open and new and new[-1] == old[-1]:
            old[-1] += "\n"
        return old, new


def _find(lines: Sequence[str], wanted: Sequence[str], start: int) -> int | None:
    places = range(start, len(lines) - len(wanted) + 1)
    return next((at for at in places if lines[at : at + len(wanted)] == wanted), None)


def _other_ends() -> PatchError:
    return PatchError(
        "a delta cannot change how lines end: they do as in the source, and the last one has a "
        "newline unless it is the source's own last line",
        code="no-op",
    )
