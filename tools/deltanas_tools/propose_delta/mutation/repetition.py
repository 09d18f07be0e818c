"""Operators that add a layer to a chain, repeat one, or take one away."""

import ast
from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.layers import ACTIVATIONS, DROPOUTS, NORMS
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.placement import Chain, chain_of, put, remove
from deltanas_tools.propose_delta.mutation.shapes import keeps_shape, out_text
from deltanas_tools.propose_delta.mutation.source import Edit


def repeat_layer(network: Network) -> Iterator[Edit]:
    """Put a copy of a shape-preserving layer or block behind it."""
    for call in _shape_keepers(network):
        text = network.source.segment(call)
        if chain_of(network, call) and (changes := put(network, call, [text, text])):
            yield Edit(f"Repeat {_name(call)} {network.place(call)}", changes)


def remove_layer(network: Network) -> Iterator[Edit]:
    """Take a layer out of a chain that keeps its shapes without it."""
    removable = [*_shape_keepers(network), *(layer.call for layer in network.layers_of(*DROPOUTS))]
    for call in removable:
        chain = chain_of(network, call)
        if chain is None or _is_between_activations(network, chain):
            continue
        if changes := remove(network, call):
            yield Edit(f"Remove {_name(call)} {network.place(call)}", changes)


def _is_between_activations(network: Network, chain: Chain) -> bool:
    """Tell whether two activations would meet: the second does little, and often works in place."""
    kinds = [network.kind(element) for element in (*chain.before[-1:], *chain.after[:1])]
    return len(kinds) == 2 and set(kinds) <= ACTIVATIONS


def _shape_keepers(network: Network) -> Iterator[ast.Call]:
    """Yield the calls that make layers with weights, or blocks, and that keep the shape."""
    for call in network.calls:
        kind = network.kind(call)
        has_weights = kind in ("Conv2d", "Linear", "Sequential")
        if not has_weights and network.called_definition(call) is None:
            continue
        if chain_of(network, call) and keeps_shape(network, call):
            yield call


def _name(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


def add_conv(network: Network) -> Iterator[Edit]:
    """Add a convolution that keeps the shape, with norm and activation, behind a convolution."""
    nn = network.nn
    for layer in network.layers_of("Conv2d"):
        channels = out_text(layer)
        if not channels:
            continue
        place, kept = _end_of_unit(network, layer.call)
        choices = {
            "a 1x1": f"{nn}.Conv2d({channels}, {channels}, 1)",
            "a 3x3": f"{nn}.Conv2d({channels}, {channels}, 3, padding=1)",
            "a depthwise": f"{nn}.Conv2d({channels}, {channels}, 3, padding=1, groups={channels})",
            "a large depthwise": (
                f"{nn}.Conv2d({channels}, {channels}, 7, padding=3, groups={channels})"
            ),
        }
        for name, conv in choices.items():
            if kept:  # the unit ends with an activation, and so does its continuation
                added = [conv, f"{nn}.BatchNorm2d({channels})", kept]
            else:
                added = [f"{nn}.BatchNorm2d({channels})", f"{nn}.ReLU()", conv]
            if changes := put(network, place, [network.source.segment(place), *added]):
                yield Edit(f"Add {name} convolution {network.place(layer.call)}", changes)


def _end_of_unit(network: Network, conv: ast.Call) -> tuple[ast.expr, str]:
    """Return the last of the norms and activations behind a convolution, and an activation."""
    chain = chain_of(network, conv)
    place: ast.expr = conv
    activation = ""
    for element in chain.after if chain else ():
        kind = network.kind(element)
        if kind not in NORMS | ACTIVATIONS or not isinstance(element, ast.Call):
            break
        place = element
        if kind in ACTIVATIONS:
            activation = network.source.segment(element)
    return place, activation
