"""Grammars in the syntaxes of the decoders."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from deltanas_tools.delta_grammar.added_lines import AddedLine, Arc
from deltanas_tools.delta_grammar.automaton import HEADER
from deltanas_tools.delta_grammar.rules import Added, Ref, Rules, Symbol, Text


def lark(rules: Rules) -> str:
    """Return the grammar for llguidance, whose lexer takes each line as a whole.

    Source: the llguidance repository, docs/syntax.md.
    """
    terminals: dict[AddedLine, str] = {}
    twins: dict[tuple[AddedLine, str], str] = {}

    @cache
    def symbol(each: Symbol) -> str:
        match each:
            case Text():
                return _quoted(each.text)
            case Ref():
                return each.name
            case Added():
                name = terminals.setdefault(each.kind, f"ADDED{len(terminals)}")
                if each.twin is not None:
                    name = twins.setdefault((each.kind, each.twin), f"OTHER{len(twins)}")
                return f"{name}*" if each.many else name

    header = _quoted(f"{HEADER}\n")
    lines = ["start: " + " | ".join(f"{header} {name}" for name in rules.starts)]
    for name, ways in rules.ways.items():
        lines.append(f"{name}: " + " | ".join(" ".join(map(symbol, way)) or '""' for way in ways))
    lines += [f"{name}: /\\+{kind.regex()}/" for kind, name in terminals.items()]
    lines += [
        f"{name}: {terminals[kind]} & ~{_quoted(f'+{twin}' + chr(10))}"
        for (kind, twin), name in twins.items()
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def ebnf(rules: Rules) -> str:
    """Return the grammar for xgrammar, with any line for one that must differ from another."""
    return _Backus(with_twins=False).render(rules)


def gbnf(rules: Rules) -> str:
    """Return the grammar for llama.cpp.

    Source: the llama.cpp repository, grammars/README.md.
    """
    return _Backus(with_twins=True).render(rules)


@dataclass
class _Backus:
    """Rules in Backus-Naur form, down to the characters of added lines."""

    with_twins: bool
    _kinds: dict[AddedLine, str] = field(default_factory=dict)
    _twins: dict[tuple[AddedLine, str], str] = field(default_factory=dict)

    def render(self, rules: Rules) -> str:
        lines = [f"root ::= {_literal(HEADER + chr(10))} {rules.starts[-1]}"]
        for name, ways in rules.ways.items():
            lines.append(f"{name} ::= " + " | ".join(map(self._way, ways)))
        for (kind, twin), name in self._twins.items():
            lines += self._other_rules(kind, twin, name)
        for kind, name in self._kinds.items():
            lines += self._kind_rules(kind, name)
        return "\n".join(lines) + "\n"

    def _way(self, way: tuple[Symbol, ...]) -> str:
        return " ".join(map(self._symbol, way)) or '""'

    def _symbol(self, each: Symbol) -> str:
        match each:
            case Text():
                return _literal(each.text)
            case Ref():
                return each.name
            case Added():
                name = self._kind(each.kind)
                if each.twin is not None and self.with_twins:
                    return self._twins.setdefault(
                        (each.kind, each.twin), f"other{len(self._twins)}"
                    )
                return f"{name}*" if each.many else name

    def _kind(self, kind: AddedLine) -> str:
        return self._kinds.setdefault(kind, f"added{len(self._kinds)}")

    def _kind_rules(self, kind: AddedLine, name: str) -> Iterator[str]:
        yield f'{name} ::= "+" {name}-0'
        for number, state in enumerate(kind.states):
            loop = "".join(f"{_set(arc)}* " for arc in state.arcs if arc.to == number)
            ways = [f"{_set(arc)} {name}-{arc.to}" for arc in state.arcs if arc.to != number]
            ways += ['"\\n"'] if state.may_end else []
            yield f"{name}-{number} ::= {loop}({' | '.join(ways)})"

    def _other_rules(self, kind: AddedLine, twin: str, name: str) -> Iterator[str]:
        """Yield a rule for each character that a line may have in common with its twin."""
        yield f'{name} ::= "+" {name}-0'
        rest, number = self._kind(kind), 0
        for at, char in enumerate(twin):
            state = kind.states[number]
            ways = ['"\\n"'] if state.may_end else []
            for arc in state.arcs:
                if not arc.takes(char):
                    ways.append(f"{_set(arc)} {rest}-{arc.to}")
                    continue
                number = arc.to
                others = arc.chars + char if arc.negated else arc.chars.replace(char, "")
                if others:
                    ways.append(f"{_set(arc._replace(chars=others))} {rest}-{arc.to}")
                ways.append(f"{_literal(char)} {name}-{at + 1}")
            yield f"{name}-{at} ::= {' | '.join(ways)}"
        ways = [f"{_set(arc)} {rest}-{arc.to}" for arc in kind.states[number].arcs]
        yield f"{name}-{len(twin)} ::= {' | '.join(ways)}"


def _set(arc: Arc) -> str:
    chars = "".join(_escaped(char, plain=char.isalnum()) for char in arc.chars)
    return f"[{'^' if arc.negated else ''}{chars}]"


def _literal(text: str) -> str:
    chars = "".join(_escaped(char, plain=char not in '"\\' and char >= " ") for char in text)
    return f'"{chars}"'


def _escaped(char: str, *, plain: bool) -> str:
    """Return a character; escaped with as many digits as both decoders take, and no more."""
    return char if plain or ord(char) > 0xFFFF else f"\\u{ord(char):04x}"
