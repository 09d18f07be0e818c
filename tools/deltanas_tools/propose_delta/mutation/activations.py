"""Operators on activations and gates."""

import ast
from collections import defaultdict
from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.layers import ACTIVATIONS
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.placement import chain_of, put
from deltanas_tools.propose_delta.mutation.source import Change, Edit

CHOICES = ("ReLU", "GELU", "SiLU", "LeakyReLU", "ELU", "Hardswish", "Mish", "PReLU")
FUNCTIONS = {
    "relu": "ReLU",
    "relu6": "ReLU6",
    "gelu": "GELU",
    "silu": "SiLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "selu": "SELU",
    "hardswish": "Hardswish",
    "mish": "Mish",
}
"""Functional forms of the activations; PReLU has parameters and so no simple one."""

TAKE_INPLACE = {"ReLU", "SiLU", "LeakyReLU", "ELU", "Hardswish", "Mish"}
GATES = {"Sigmoid": "Hardsigmoid", "Hardsigmoid": "Sigmoid"}


def swap_activation(network: Network) -> Iterator[Edit]:
    """Replace an activation, at one place or at all."""
    sites: dict[str, list[tuple[ast.AST, dict[str, Change]]]] = defaultdict(list)
    for node in network.nodes:
        kind, changes = _module_swaps(network, node)
        if not kind and isinstance(node, ast.Call):
            kind, changes = _function_swaps(network, node)
        if kind:
            sites[kind].append((node, changes))
    for kind, found in sites.items():
        for choice in CHOICES:
            everywhere = [swaps[choice] for _, swaps in found if choice in swaps]
            if len(everywhere) > 1 and len(everywhere) == len(found):
                yield Edit(f"Replace every {kind} by {choice}", tuple(everywhere))
            for node, swaps in found:
                if choice in swaps:
                    summary = f"Replace {kind} by {choice} {network.place(node)}"
                    yield Edit(summary, (swaps[choice],))


def _module_swaps(network: Network, node: ast.AST) -> tuple[str, dict[str, Change]]:
    """Return the kind of a module's call or a reference to its class, and what can replace it."""
    if not isinstance(node, ast.Call | ast.Attribute | ast.Name):
        return "", {}
    kind = network.kind(node)
    if kind not in ACTIVATIONS:
        return "", {}
    if isinstance(node, ast.Call):
        choices = {choice: f"{network.nn}.{choice}()" for choice in CHOICES}
    else:
        parent = network.source.parents[node]
        tests_type = isinstance(parent, ast.Call) and network.kind(parent) != "Sequential"
        if tests_type or isinstance(parent, ast.Attribute | ast.Tuple | ast.Compare):
            return "", {}  # the class of a call, counted there, or a test of a type
        choices = {choice: f"{network.nn}.{choice}" for choice in TAKE_INPLACE}
    return kind, {
        choice: network.source.replace(node, text)
        for choice, text in choices.items()
        if choice != kind
    }


def _function_swaps(network: Network, call: ast.Call) -> tuple[str, dict[str, Change]]:
    """Return the kind of a functional activation, and what can replace it."""
    kind = FUNCTIONS.get(network.function(call), "")
    if kind and call.args:
        argument = call.args[0]
    elif (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "relu"
        and not network.canonical(call.func)
        and not call.args
    ):
        kind, argument = "ReLU", call.func.value
    else:
        return "", {}
    text = network.source.segment(argument)
    return kind, {
        choice: network.source.replace(call, f"{network.functional}.{function}({text})")
        for function, choice in FUNCTIONS.items()
        if choice in CHOICES and choice != kind
    }


def swap_gate(network: Network) -> Iterator[Edit]:
    """Replace the sigmoid of a gate by its piecewise linear form, or the other way round."""
    for layer in network.layers_of(*GATES):
        other = GATES[layer.kind]
        change = network.source.replace(layer.call, f"{network.nn}.{other}()")
        yield Edit(f"Replace {layer.kind} by {other} {network.place(layer.call)}", (change,))
    for call in network.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "sigmoid":
            argument = call.func.value
            if network.function(call) and call.args:
                argument = call.args[0]
            text = f"{network.functional}.hardsigmoid({network.source.segment(argument)})"
            change = network.source.replace(call, text)
            yield Edit(f"Replace the sigmoid by a hard one {network.place(call)}", (change,))


def add_activation(network: Network) -> Iterator[Edit]:
    """Put an activation behind a layer of a chain that goes on without one."""
    for layer in network.layers_of("Conv2d", "Linear", "BatchNorm2d"):
        chain = chain_of(network, layer.call)
        if chain is None or not chain.after:
            continue
        following = network.layer(chain.after[0])
        if following is None or following.kind not in ("Conv2d", "Linear", "MaxPool2d"):
            continue
        for choice in ("ReLU", "GELU", "SiLU"):
            layers = [network.source.segment(layer.call), f"{network.nn}.{choice}()"]
            if changes := put(network, layer.call, layers):
                yield Edit(
                    f"Add {choice} behind the {layer.kind} {network.place(layer.call)}", changes
                )
