"""Parents that repeat themselves, edits of them, and random deltas that their grammars make."""

import random
from collections.abc import Sequence

from deltanas_repo_store.baselines import baselines
from deltanas_tools.delta_grammar import DeltaGrammar, editable
from deltanas_tools.delta_grammar.rules import Added, Ref, Rules, Text, rules_of

BASELINES = [each.source for each in baselines().values()]
ALPHABETS = (
    ["a"],
    ["a", "b"],
    ["a", "b", "", "  c"],
    ["def f():", "    x = 1", "", 'y = "\\2"', "\té#[-]^", "    return 1"],
)
NETWORK = ["class Net:", "    def learn(self):", "        pass", "", "    # c", "    def f(self):"]
FREE_LINES = ["", "    # c", "        z", "    q", "w", "    def g(self):", "é = 1"]


def small_parent(rng: random.Random) -> str:
    """Return a few lines out of few, sometimes round a frozen method, with any line ends."""
    lines = rng.choices(rng.choice(ALPHABETS), k=rng.randint(0, 6)) * rng.randint(1, 3)
    if rng.random() < 0.4:
        # What stands inside of the class need not be Python: then nothing is frozen.
        at = rng.randint(0, len(lines))
        lines = [line for line in lines if len(line) > 3 or not line]
        lines[at:at] = [*NETWORK, "        return 1"]
    text = "\n".join(lines) + ("\n" if lines and rng.random() < 0.7 else "")
    return text.replace("\n", "\r\n") if rng.random() < 0.2 else text


def any_parent(rng: random.Random) -> str:
    """Return a small parent or one of the baselines."""
    return rng.choice(BASELINES) if rng.random() < 0.2 else small_parent(rng)


def walk(grammar: DeltaGrammar, rng: random.Random) -> str:
    """Return a random text that the grammar for decoders makes."""
    rules = rules_of(grammar._automaton)
    parent_lines = [line.removesuffix("\r") for line in grammar.source.split("\n")]
    free = [*FREE_LINES, *rng.choices(parent_lines, k=4)]
    name: str | None = rules.starts[-1]
    lines = ["@@\n"]
    while name is not None:
        ways = rules.ways[name]
        if () in ways and (len(ways) == 1 or len(lines) > 30 or rng.random() < 0.3):
            break
        way, name = rng.choice([way for way in ways if way]), None
        for symbol in way:
            if isinstance(symbol, Text):
                lines.append(symbol.text)
            elif isinstance(symbol, Ref) and symbol.name.startswith("block"):
                lines += _block(rules, symbol.name, free, rng)
            elif isinstance(symbol, Ref):
                name = symbol.name
    return "".join(lines)


def _block(rules: Rules, name: str, free: Sequence[str], rng: random.Random) -> list[str]:
    lines = []
    for symbol in rng.choice(rules.ways[name]):
        assert isinstance(symbol, Added)
        fitting = [each for each in free if symbol.kind.matches(each) and each != symbol.twin]
        lines += rng.choices(fitting, k=rng.choice([0, 0, 1, 2]) if symbol.many else 1)
    return [f"+{line}\n" for line in lines]


def hurt(text: str, rng: random.Random) -> str:
    """Return a text with one thing changed that may matter."""
    lines = text.split("\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.choice(["drop", "double", "mark", "cut", "swap", "add", "header", "indent"]):
        case "drop":
            lines.pop(at)
        case "double":
            lines.insert(at, lines[other])
        case "mark":
            lines[at] = rng.choice(["+", "-", " ", ""]) + lines[at][1:]
        case "cut":
            return text[: rng.randrange(len(text))]
        case "swap":
            lines[at], lines[other] = lines[other], lines[at]
        case "add":
            lines.insert(at, "+" + lines[other][1:])
        case "header":
            lines.insert(at, "@@")
        case _:
            lines[at] = f"{lines[at][:1]}    {lines[at][1:]}"
    return "\n".join(lines)


def edited(parent: str, rng: random.Random, share: float) -> str:
    """Return a parent with some of what may be edited edited; frozen functions stay."""
    allowed, lines = editable(parent), parent.splitlines(keepends=True)
    ending = "\r\n" if "\r\n" in parent else "\n"
    made: list[str] = []

    def put(line: str) -> None:
        if made and not made[-1].endswith("\n"):
            made[-1] += ending
        made.append(line)

    for at in range(len(lines) + 1):
        if allowed.gaps[at] and allowed.guards[at] is None and rng.random() < share:
            for each in rng.choices(FREE_LINES, k=rng.randint(1, 3)):
                put(f"{each}{ending}")
        if at < len(lines) and not (allowed.lines[at] and rng.random() < share):
            put(lines[at])
    return "".join(made)
