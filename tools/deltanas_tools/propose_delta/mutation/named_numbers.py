"""The literal numbers of a network, each with the role that its name gives it.

A number gets its name from what it is bound to: a variable, an element of a named tuple, a
default, or the parameter that it is passed to.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from deltanas_tools.propose_delta.mutation.bindings import default_of
from deltanas_tools.propose_delta.mutation.layers import CHANNEL_PARAMETERS, bind_arguments
from deltanas_tools.propose_delta.mutation.network import Network, find_nodes
from deltanas_tools.propose_delta.mutation.source import Edit

Role = Literal["channels", "repeats", "kernel", "stride", "expansion", "groups", "dropout"]

ROLE_WORDS: tuple[tuple[Role, frozenset[str]], ...] = (
    ("dropout", frozenset({"dropout", "drop", "droprate"})),
    ("groups", frozenset({"group", "head", "cardinality", "nhead"})),
    ("kernel", frozenset({"kernel", "ksize", "ks", "k"})),
    ("stride", frozenset({"stride"})),
    ("repeats", frozenset({"depth", "block", "layer", "repeat", "conv", "unit", "column", "n"})),
    ("expansion", frozenset({"expansion", "expand", "ratio", "reduction", "mult", "multiplier"})),
    (
        "channels",
        frozenset(
            {
                *("width", "channel", "ch", "plane", "inplane", "outplane", "filter", "dim"),
                *("hidden", "feature", "embed", "embedding", "growth", "squeeze", "bottleneck"),
                *("stem", "base", "mid", "inner", "nf", "c"),
            }
        ),
    ),
)
"""Words that give a role, the more telling first: ``blocks_per_stage`` are repeats."""

NEVER = frozenset({"size", "patch", "pool", "class", "padding", "pad", "dilation", "eps", "seed"})
"""Words of names whose numbers other numbers depend on, or that are no choice at all."""

LARGEST_FACTOR = 12
"""An ``expand`` of 4 is a factor; an ``expand`` above this is a number of channels."""

NOT_CHANNELS_BELOW = 6
"""Channel counts start here: smaller literals are image channels, factors and indices."""


@dataclass(frozen=True)
class Number:
    """A literal number, its name for people, and its role."""

    node: ast.Constant
    name: str
    role: Role

    @property
    def value(self) -> int | float:
        """The number."""
        assert isinstance(self.node.value, int | float)
        return self.node.value


def role_of(name: str) -> Role | None:
    """Return the role that a name speaks of: ``stem_width`` and ``widths`` are channels."""
    words = [word for word in re.split(r"[_\d]+", name.lower()) if word]
    singular = {word[:-1] if len(word) > 2 and word.endswith("s") else word for word in words}
    if singular & NEVER:
        return None
    return next((role for role, wanted in ROLE_WORDS if singular & wanted), None)


def named_numbers(network: Network) -> tuple[Number, ...]:
    """Return the numbers behind names: a change of one reaches every use of the name."""
    numbers: dict[ast.Constant, Number] = {}
    for name, value in _bindings(network):
        for number in _numbers_under(value, name, role_of(name)):
            numbers.setdefault(number.node, number)
    return tuple(numbers.values())


def of_role(numbers: Iterable[Number], role: Role) -> Iterator[Number]:
    """Yield the numbers that have a role."""
    return (number for number in numbers if number.role == role)


def set_all(network: Network, nodes: Sequence[ast.Constant], other: float, what: str) -> Edit:
    """Return the edit that gives equal literals another value."""
    changes = tuple(network.source.replace(node, str(other)) for node in nodes)
    return Edit(f"{what} from {nodes[0].value!r} to {other!r}", changes)


def passed_numbers(network: Network) -> tuple[Number, ...]:
    """Return the numbers that calls pass to the classes and functions of this source."""
    numbers: list[Number] = []
    for call in network.calls:
        definition = network.called_definition(call)
        if definition is None:
            continue
        bound, _ = bind_arguments(call, network.parameters(definition))
        for name, value in bound.items():
            numbers += _numbers_under(value, name, role_of(name))
    return tuple(numbers)


def _numbers_under(value: ast.expr, name: str, role: Role | None) -> Iterator[Number]:
    if isinstance(value, ast.Tuple | ast.List):
        for index, element in enumerate(value.elts):
            yield from _numbers_under(element, f"{name}[{index}]", role)
    elif isinstance(value, ast.Constant) and isinstance(value.value, int | float) and role:
        if role == "expansion" and value.value > LARGEST_FACTOR:
            role = "channels"
        yield Number(value, name, role)


def _bindings(network: Network) -> Iterator[tuple[str, ast.expr]]:
    """Yield every name of the live code that is bound to an expression and read somewhere."""
    for node in network.nodes:
        match node:
            case ast.Assign(targets=[target], value=value):
                yield from _read_bindings(network, target, value)
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                yield from _read_bindings(network, target, value)
            case ast.For(target=target, iter=ast.Tuple() | ast.List() as rows):
                for row in rows.elts:
                    yield from _read_bindings(network, target, row)
            case ast.comprehension(target=target, iter=ast.Tuple() | ast.List() as rows):
                for row in rows.elts:
                    yield from _read_bindings(network, target, row)
            case ast.FunctionDef():
                yield from _defaults_in_use(network, node)


def _read_bindings(
    network: Network, target: ast.expr, value: ast.expr
) -> Iterator[tuple[str, ast.expr]]:
    """Match a target with its value, element by element where both are tuples."""
    match target, value:
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for inner, part in zip(targets, values, strict=True):
                yield from _read_bindings(network, inner, part)
        case ast.Name(id=name), _ if name in network.read_names:
            yield name, value
        case ast.Attribute(attr=name), _ if name in network.read_attributes:
            yield name, value


def _defaults_in_use(network: Network, function: ast.FunctionDef) -> Iterator[tuple[str, ast.expr]]:
    """Yield the defaults that some call of ``function`` leaves in force."""
    parent = network.source.parents[function]
    definition = parent if isinstance(parent, ast.ClassDef) else function
    if definition is network.net or (parent is definition and function.name != "__init__"):
        return
    for name in network.parameters(definition):
        default = default_of(network, definition, name)
        if default is None:
            continue
        for call in network.calls:
            if network.called_definition(call) is definition:
                bound, is_complete = bind_arguments(call, network.parameters(definition))
                if is_complete and name not in bound:
                    yield name, default
                    break


def loop_lengths(network: Network) -> Iterator[Number]:
    """Yield the literal ``n`` of each ``range(n)`` whose index no subscript uses."""
    for node in network.nodes:
        match node:
            case (
                ast.For(target=ast.Name(id=index), iter=iterated)
                | ast.comprehension(target=ast.Name(id=index), iter=iterated)
            ):
                pass
            case _:
                continue
        match iterated:
            case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int()) as length]):
                scope = network.source.parents[node]
                if not _indexes(scope, index):
                    yield Number(length, "the loop", "repeats")


def _indexes(scope: ast.AST, name: str) -> bool:
    """Tell whether ``name`` takes part in a subscript."""
    return any(
        isinstance(part, ast.Name) and part.id == name
        for subscript in find_nodes(scope, ast.Subscript)
        for part in ast.walk(subscript.slice)
    )


def channel_arguments(network: Network) -> Iterator[tuple[ast.expr, str]]:
    """Yield the arguments that are channel counts, with the parameters that they go to."""
    for layer in network.layers:
        for parameter, argument in layer.arguments.items():
            if parameter in CHANNEL_PARAMETERS:
                yield argument, parameter
    for call in network.calls:
        definition = network.called_definition(call)
        if definition is not None:
            bound, _ = bind_arguments(call, network.parameters(definition))
            for parameter, argument in bound.items():
                if role_of(parameter) == "channels":
                    yield argument, parameter
