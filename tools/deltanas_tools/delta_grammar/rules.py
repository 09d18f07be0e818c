"""A context-free grammar as a value: what the renderings for the decoders are made from."""

import gc
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from deltanas_tools.delta_grammar.added_lines import AddedLine
from deltanas_tools.delta_grammar.automaton import (
    HEADER,
    START,
    Automaton,
    Block,
    Old,
    State,
    Step,
)

RESTART_EVERY = 64
"""Lines between the rules that `Rules.starts` names. llguidance compiles a rule within the one that
names it: from the first line down, 300 lines take 1 MB of stack."""


class Text(NamedTuple):
    """A whole line, with its newline."""

    text: str


class Added(NamedTuple):
    """Added lines of one kind."""

    kind: AddedLine
    many: bool = False
    """Whether there may be any number of them; else there is one."""
    twin: str | None = None
    """A line, without its mark, that it is not."""


class Ref(NamedTuple):
    """Another rule."""

    name: str


Symbol = Text | Added | Ref


@dataclass(frozen=True)
class Rules:
    """Rules by name: the ways to write each, as symbols in a row. Every rule can be written out.

    All recursion is on the right.
    """

    ways: dict[str, list[tuple[Symbol, ...]]]
    starts: tuple[str, ...]
    """Rules for the text below the first header. The last one is the whole language, and each is
    a part of those that follow: for compilers that descend from rule to rule."""


def rules_of(automaton: Automaton) -> Rules:
    """Return the grammar of an automaton, without the states that no delta leads through."""
    with _uncollected():
        return _rules_of(automaton)


@contextmanager
def _uncollected() -> Generator[None]:
    """Keep the garbage collector from looking through all of torch for each hundred lines.

    That was 200 of 250 ms for a source of 1,000 lines, and nothing here refers to itself.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _rules_of(automaton: Automaton) -> Rules:
    steps = _productive(_reachable(automaton))
    refs = {state: Ref(f"{state.kind}{number}") for number, state in enumerate(steps)}
    symbols: dict[Step, tuple[Symbol, ...]] = {None: ()}
    ways: dict[str, list[tuple[Symbol, ...]]] = {}
    for state, following in steps.items():
        own: list[tuple[Symbol, ...]] = []
        for step, target in following:
            if step not in symbols:
                symbols[step] = (_symbol(step, automaton, ways),)
            own.append((*symbols[step], refs[target]))
        ways[refs[state].name] = [*own, ()] if state.kind == "end" else own
    hunks = [State("hunk", at) for at in range(0, len(automaton.lines) + 1, RESTART_EVERY)]
    return Rules(ways, tuple(refs[each].name for each in reversed(hunks) if each in refs))


def _symbol(step: Step, automaton: Automaton, ways: dict[str, list[tuple[Symbol, ...]]]) -> Symbol:
    """Return what stands for a step; a block gets a rule of its own."""
    match step:
        case Old():
            return Text(f"{step.mark}{automaton.lines[step.at]}\n")
        case Block():
            name = f"block{len(ways)}"
            ways[name] = _block_ways(step)
            return Ref(name)
        case _:
            return Text(f"{HEADER}\n")


def _reachable(automaton: Automaton) -> dict[State, list[tuple[Step, State]]]:
    steps: dict[State, list[tuple[Step, State]]] = {}
    waiting = [START]
    while waiting:
        state = waiting.pop()
        if state not in steps:
            steps[state] = automaton.steps(state)
            waiting += [target for _, target in steps[state]]
    return steps


def _productive(
    steps: dict[State, list[tuple[Step, State]]],
) -> dict[State, list[tuple[Step, State]]]:
    """Leave out the states from which no delta comes to its end: a decoder would be lost there."""
    sources: dict[State, list[State]] = defaultdict(list)
    for state, following in steps.items():
        for _, target in following:
            sources[target].append(state)
    good: set[State] = set()
    waiting = [state for state in steps if state.kind == "end"]
    while waiting:
        state = waiting.pop()
        if state not in good:
            good.add(state)
            waiting += sources[state]
    return {
        state: [(step, target) for step, target in following if target in good]
        for state, following in steps.items()
        if state in good
    }


def _block_ways(block: Block) -> list[tuple[Symbol, ...]]:
    ways: list[tuple[Symbol, ...]] = []
    for pairs in block.ways():
        symbols: list[Symbol] = []
        for many, one in pairs:
            symbols += [Added(many, many=True), Added(one)]
        last = pairs[-1][1]
        if block.twin is not None and last.matches(block.twin):
            symbols[-1] = Added(last, twin=block.twin)
        ways.append(tuple(symbols))
    return ways
