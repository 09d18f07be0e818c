"""Operators on numbers of channels, named or literal."""

import ast
import math
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from deltanas_tools.propose_delta.mutation.layers import OUTPUT_PARAMETERS, literal_int
from deltanas_tools.propose_delta.mutation.named_numbers import (
    NOT_CHANNELS_BELOW,
    Number,
    channel_arguments,
    named_numbers,
    of_role,
    passed_numbers,
    set_all,
)
from deltanas_tools.propose_delta.mutation.network import Network, find_nodes
from deltanas_tools.propose_delta.mutation.source import Edit

SCALES = (0.5, 0.75, 1.25, 1.5, 2.0)
MAX_WIDTH = 1024
SMALLEST_LITERAL = 8
"""Smaller literals without a name are as often groups, reductions and image channels."""


def scale_width(network: Network) -> Iterator[Edit]:
    """Scale a number of channels that has a name, and the equal literals that go with it."""
    literals = _channel_literals(network)
    for number in of_role(named_numbers(network), "channels"):
        if not isinstance(number.value, int) or number.value < NOT_CHANNELS_BELOW:
            continue
        if _is_reassigned(network, number):
            continue
        others = [node for node in literals.get(number.value, ()) if node is not number.node]
        for width in _scaled(network, number.value):
            if _keeps_order(network, number.node, width):
                what = f"{_widen(number.value, width)} {number.name}"
                yield set_all(network, [number.node, *others], width, what)


def scale_all_widths(network: Network) -> Iterator[Edit]:
    """Scale every element of a named tuple of widths by one factor."""
    families = defaultdict(list)
    for number in of_role(named_numbers(network), "channels"):
        name, bracket, _ = number.name.partition("[")
        if bracket and isinstance(number.value, int) and number.value >= NOT_CHANNELS_BELOW:
            families[name, network.source.parents[number.node]].append(number.node)
    for (name, _), nodes in families.items():
        if len(nodes) < 2:
            continue
        for scale in SCALES:
            widths = [_scaled_by(network, _value(node), scale) for node in nodes]
            if all(width != _value(node) for node, width in zip(nodes, widths, strict=True)):
                changes = tuple(
                    network.source.replace(node, str(width))
                    for node, width in zip(nodes, widths, strict=True)
                )
                yield Edit(f"Scale all {name} by {scale:g}", changes)


def scale_literal_width(network: Network) -> Iterator[Edit]:
    """Change a number of channels at every place where it stands as a literal."""
    if any(network.function(call) in ("cat", "concat") for call in network.calls):
        return  # a joined width is a sum of literals that the syntax does not show
    named = defaultdict(list)
    for number in named_numbers(network):
        if number.role == "channels":
            named[number.value].append(number.node)
    for value, nodes in _channel_literals(network).items():
        if not _is_produced(network, nodes):
            continue
        nodes = list(dict.fromkeys([*nodes, *named.get(value, ())]))
        for width in _scaled(network, value):
            yield set_all(network, nodes, width, f"{_widen(value, width)} the layers of one width")


def _value(node: ast.Constant) -> int:
    assert isinstance(node.value, int)
    return node.value


def _widen(value: int, width: int) -> str:
    return "Widen" if width > value else "Narrow"


def _is_reassigned(network: Network, number: Number) -> bool:
    """Tell whether a variable holds the number only for a while, as what the last layer gave."""
    function = network.source.enclosing(number.node, ast.FunctionDef)
    name = number.name.partition("[")[0]
    if function is None:
        return False
    stores = [
        node
        for node in find_nodes(function, ast.Name)
        if node.id == name and isinstance(node.ctx, ast.Store)
    ]
    return len(stores) > 1


def _keeps_order(network: Network, node: ast.Constant, width: int) -> bool:
    """Tell whether the widths of a tuple grow from one to the next where they did before.

    A network that joins what it adds to its input needs widths that grow.
    """
    row = network.source.parents[node]
    if not isinstance(row, ast.Tuple | ast.List):
        return True
    before = [literal_int(element) or 0 for element in row.elts]
    after = [width if element is node else literal_int(element) or 0 for element in row.elts]
    return all(
        new < new_next
        for (old, old_next), (new, new_next) in zip(pairwise(before), pairwise(after), strict=True)
        if old < old_next
    )


def _step(network: Network, value: int) -> int:
    """Return what a new width must be a multiple of, for the groups and heads of the network."""
    power_of_two = value & -value
    divisors = [min(power_of_two, 8)]
    for number in (*named_numbers(network), *passed_numbers(network)):
        if number.role == "groups" and isinstance(number.value, int) and number.value > 0:
            divisors.append(number.value)
    for layer in network.layers:
        for parameter in ("groups", "num_groups", "num_heads", "nhead"):
            divisors.append(layer.number(parameter) or 1)
    return math.lcm(*(divisor for divisor in divisors if value % divisor == 0))


def _scaled_by(network: Network, value: int, scale: float) -> int:
    step = _step(network, value)
    return max(round(value * scale / step), 1) * step


def _scaled(network: Network, value: int) -> list[int]:
    widths = {_scaled_by(network, value, scale) for scale in SCALES}
    return sorted(width for width in widths - {value} if width <= MAX_WIDTH)


def _channel_literals(network: Network) -> dict[int, list[ast.Constant]]:
    """Return the literals that are channel counts, by value; also those of flattened sizes."""
    arguments = [argument for argument, _ in channel_arguments(network)]
    for call in network.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("view", "reshape"):
            arguments += call.args
    found: dict[int, list[ast.Constant]] = defaultdict(list)
    for argument in arguments:
        constants = list(find_nodes(argument, ast.Constant))
        leaves = [node for node in ast.walk(argument) if isinstance(node, ast.expr)]
        if all(isinstance(node, ast.Constant | ast.BinOp) for node in leaves):
            for node in constants:
                if type(node.value) is int and node.value >= SMALLEST_LITERAL:
                    found[node.value].append(node)
    return {value: list(dict.fromkeys(nodes)) for value, nodes in found.items()}


def _is_produced(network: Network, nodes: list[ast.Constant]) -> bool:
    """Tell whether some layer makes this many channels: the size of a flattened image is given."""
    for node in nodes:
        call = network.source.parents[node]
        if isinstance(call, ast.keyword):
            call = network.source.parents[call]
        if not isinstance(call, ast.Call):
            continue
        layer = network.layer(call)
        if layer is None or any(layer.arguments.get(name) is node for name in OUTPUT_PARAMETERS):
            return True
    return False
