"""Operators that put another layer of the same shapes in the place of a convolution."""

import ast
from collections.abc import Iterator, Mapping

from deltanas_tools.propose_delta.mutation.bindings import divisor
from deltanas_tools.propose_delta.mutation.block_code import (
    COORDINATE_CONV,
    GHOST_CONV,
    PARALLEL,
    STANDARDISED_CONV,
)
from deltanas_tools.propose_delta.mutation.blocks import Block, bring
from deltanas_tools.propose_delta.mutation.layers import Layer
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.placement import put, wrap
from deltanas_tools.propose_delta.mutation.shapes import (
    in_text,
    is_same_padded,
    out_text,
    plain_convs,
    sees_image,
)
from deltanas_tools.propose_delta.mutation.source import Edit


def _rewritten(
    network: Network,
    layer: Layer,
    name: str,
    changed: Mapping[str, str],
    leave_out: tuple[str, ...] = (),
) -> str:
    """Write the call of a convolution again, with some arguments changed or left out."""
    texts = {
        parameter: network.source.segment(value) for parameter, value in layer.arguments.items()
    }
    texts.update(changed)
    leading = ("in_channels", "out_channels", "kernel_size")
    parts = [texts[parameter] for parameter in leading]
    parts += [
        f"{parameter}={text}"
        for parameter, text in texts.items()
        if parameter not in (*leading, *leave_out)
    ]
    return f"{name}({', '.join(parts)})"


def separate(network: Network) -> Iterator[Edit]:
    """Replace a convolution by a depthwise and a pointwise one."""
    conv = f"{network.nn}.Conv2d"
    for layer in plain_convs(network):
        # One filter for each channel of the image would be a bottleneck of one to three channels.
        if layer.number("kernel_size") == 1 or sees_image(network, layer):
            continue
        channels = in_text(layer)
        depthwise = _rewritten(
            network, layer, conv, {"out_channels": channels, "groups": channels}, ("bias",)
        )
        pointwise = f"{conv}({channels}, {out_text(layer)}, 1)"
        changes = put(network, layer.call, [depthwise, pointwise])
        if changes:
            yield Edit(f"Make the convolution {network.place(layer.call)} separable", changes)


def factorise(network: Network) -> Iterator[Edit]:
    """Replace a square kernel by a column and a row."""
    conv = f"{network.nn}.Conv2d"
    for layer in plain_convs(network):
        size, pad = layer.number("kernel_size"), layer.number("padding")
        stride = layer.number("stride") if "stride" in layer.arguments else 1
        if size not in (3, 5, 7) or pad is None or stride is None or "dilation" in layer.arguments:
            continue
        column = {"kernel_size": f"({size}, 1)", "padding": f"({pad}, 0)"}
        row = {
            "in_channels": out_text(layer),
            "kernel_size": f"(1, {size})",
            "padding": f"(0, {pad})",
        }
        if stride > 1:
            column["stride"], row["stride"] = f"({stride}, 1)", f"(1, {stride})"
        layers = [
            _rewritten(network, layer, conv, column, ("bias",)),
            _rewritten(network, layer, conv, row),
        ]
        changes = put(network, layer.call, layers)
        if changes:
            yield Edit(
                f"Split the {size}x{size} kernel {network.place(layer.call)} in two", changes
            )


def bottleneck(network: Network) -> Iterator[Edit]:
    """Reduce the channels by a 1x1 convolution in front of a larger one."""
    conv = f"{network.nn}.Conv2d"
    for layer in plain_convs(network):
        channels = layer.arguments["in_channels"]
        if layer.number("kernel_size") == 1 or divisor(network, channels) % 8:
            continue
        for factor in (2, 4):
            reduced = f"{_operand(channels)} // {factor}"
            layers = [
                f"{conv}({in_text(layer)}, {reduced}, 1)",
                _rewritten(network, layer, conv, {"in_channels": reduced}),
            ]
            changes = put(network, layer.call, layers)
            if changes:
                yield Edit(
                    f"Reduce the channels {factor}-fold before the convolution "
                    f"{network.place(layer.call)}",
                    changes,
                )


def _operand(expression: ast.expr) -> str:
    text = ast.unparse(expression)
    return f"({text})" if isinstance(expression, ast.BinOp | ast.IfExp) else text


def branch(network: Network) -> Iterator[Edit]:
    """Sum a convolution with a parallel branch of another receptive field."""
    conv = f"{network.nn}.Conv2d"
    for layer in plain_convs(network):
        if not is_same_padded(network, layer) or "dilation" in layer.arguments:
            continue
        size = layer.number("kernel_size")
        branches = {
            "a pointwise": {"kernel_size": "1", "padding": "0"},
            "a 3x3": {"kernel_size": "3", "padding": "1"},
            "a 5x5": {"kernel_size": "5", "padding": "2"},
            "a dilated": {"kernel_size": "3", "padding": "2", "dilation": "2"},
        }
        for name, arguments in branches.items():
            if arguments["kernel_size"] == str(size) and "dilation" not in arguments:
                continue
            opening, defined = bring(network, PARALLEL)
            changes = wrap(
                network, layer.call, opening, _rewritten(network, layer, conv, arguments)
            )
            if changes:
                yield Edit(
                    f"Add {name} branch beside the convolution {network.place(layer.call)}",
                    (*defined, *changes),
                )


def standardise(network: Network) -> Iterator[Edit]:
    """Standardise the weights of one or of all convolutions."""
    name, defined = bring(network, STANDARDISED_CONV)
    layers = [layer for layer in network.layers_of("Conv2d") if layer.number("kernel_size") != 1]
    changes = [network.source.replace(layer.call.func, name) for layer in layers]
    for layer, change in zip(layers, changes, strict=True):
        where = network.place(layer.call)
        yield Edit(f"Standardise the weights of the convolution {where}", (*defined, change))
    if len(layers) > 1:
        yield Edit("Standardise the weights of every convolution", (*defined, *changes))


def see_coordinates(network: Network) -> Iterator[Edit]:
    """Let a convolution see the coordinates of each place."""
    yield from _swap_class(network, COORDINATE_CONV, 1, "Add coordinates to the convolution")


def ghost(network: Network) -> Iterator[Edit]:
    """Make half of a convolution's channels from the other half."""
    yield from _swap_class(network, GHOST_CONV, 2, "Make a ghost convolution of the one")


def _swap_class(network: Network, block: Block, factor: int, what: str) -> Iterator[Edit]:
    """Replace the class of a convolution by one with the same parameters."""
    name, defined = bring(network, block)
    for layer in plain_convs(network):
        outputs = layer.arguments["out_channels"]
        changes = put(network, layer.call, [_rewritten(network, layer, name, {})])
        if changes and divisor(network, outputs) % factor == 0:
            yield Edit(f"{what} {network.place(layer.call)}", (*defined, *changes))
