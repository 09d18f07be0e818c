"""Operators on numbers that are no widths: how deep, by which factor, in how many groups."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.bindings import divisor
from deltanas_tools.propose_delta.mutation.layers import OUTPUT_PARAMETERS
from deltanas_tools.propose_delta.mutation.named_numbers import (
    channel_arguments,
    loop_lengths,
    named_numbers,
    of_role,
    passed_numbers,
    role_of,
    set_all,
)
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.source import Edit

MAX_REPEATS = 8
"""More blocks than this in one place would outlast the budget of one epoch."""

INNER_WORDS = {"hidden", "inner", "mid", "bottleneck", "squeezed", "reduced", "mlp"}
"""Words of names of widths that only the inside of a block has."""


def change_hidden_width(network: Network) -> Iterator[Edit]:
    """Change the factor of an inner width that is written out, such as ``4 * width``."""
    groups: dict[tuple[ast.FunctionDef | None, str], list[ast.BinOp]] = defaultdict(list)
    produced = set()
    for node, parameter in channel_arguments(network):
        if isinstance(node, ast.BinOp) and _factor(node) is not None:
            key = (network.source.enclosing(node, ast.FunctionDef), ast.dump(node))
            groups[key].append(node)
            if parameter in OUTPUT_PARAMETERS:
                produced.add(key)
    for key, expressions in groups.items():
        if key not in produced or len(expressions) < 2:
            continue
        factors = [factor for node in expressions if (factor := _factor(node))]
        for other in _other_ratios(network, expressions[0]):
            what = f"Change the factor of the hidden width {network.place(expressions[0])}"
            yield set_all(network, factors, other, what)


def change_expansion(network: Network) -> Iterator[Edit]:
    """Change a ratio between widths: an expansion, a reduction, a factor of a hidden width."""
    for number in of_role((*named_numbers(network), *passed_numbers(network)), "expansion"):
        for other in _other_factors(number.value):
            yield set_all(network, [number.node], other, f"Change {number.name}")
    for node in network.nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.BinOp() as value):
                factor = _factor(value)
                if factor is None or not INNER_WORDS & set(name.split("_")):
                    continue
                for other in _other_ratios(network, value):
                    what = f"Change the factor of {name} {network.place(node)}"
                    yield set_all(network, [factor], other, what)


def change_depth(network: Network) -> Iterator[Edit]:
    """Change how often a block is repeated."""
    numbers = (*named_numbers(network), *passed_numbers(network), *loop_lengths(network))
    for number in {n.node: n for n in of_role(numbers, "repeats")}.values():
        value = number.value
        if not isinstance(value, int) or not 1 <= value <= MAX_REPEATS:
            continue
        for other in (value - 1, value + 1, value + 2):
            if 1 <= other <= MAX_REPEATS:
                verb = "Raise" if other > value else "Lower"
                yield set_all(network, [number.node], other, f"{verb} {number.name}")


def change_groups(network: Network) -> Iterator[Edit]:
    """Take fewer groups or heads: a divisor of their number divides what the number does."""
    for number in of_role((*named_numbers(network), *passed_numbers(network)), "groups"):
        value = number.value
        is_count = role_of(re.sub("group|head", "", number.name)) != "channels"
        if isinstance(value, int) and value > 1 and is_count:  # not ``head_dim``
            for other in range(1, value):
                if value % other == 0:
                    yield set_all(network, [number.node], other, f"Change {number.name}")


def _factor(expression: ast.BinOp) -> ast.Constant | None:
    """Return the literal factor of ``4 * width``, ``width * 4`` or ``width // 4``."""
    match expression:
        case ast.BinOp(left=ast.Constant(value=int()) as factor, op=ast.Mult(), right=other):
            pass
        case ast.BinOp(
            left=other, op=ast.Mult() | ast.FloorDiv(), right=ast.Constant(value=int()) as factor
        ):
            pass
        case _:
            return None
    is_factor = not isinstance(other, ast.Constant) and factor.value in range(2, 17)
    return factor if is_factor else None


def _other_ratios(network: Network, expression: ast.BinOp) -> tuple[int, ...]:
    """Return other factors for a product, or other divisors of a quotient that come out even."""
    factor = _factor(expression)
    assert factor is not None
    if isinstance(expression.op, ast.Mult):
        return tuple(int(other) for other in _other_factors(factor.value) if other > 1)
    known = divisor(network, expression.left)
    return tuple(
        other
        for other in (2, 4, 8)
        if other != factor.value and known % other == 0 and known > other
    )


def _other_factors(value: object) -> tuple[float, ...]:
    if isinstance(value, int):
        choices: tuple[float, ...] = (1, 2, 3, 4, 6) if value <= 6 else (value // 2, 2 * value)
    elif isinstance(value, float):
        choices = (0.25, 0.5, 0.75) if value < 1 else (1.0, 1.5, 2.0, 3.0, 4.0)
    else:
        choices = ()
    return tuple(choice for choice in choices if choice != value)
