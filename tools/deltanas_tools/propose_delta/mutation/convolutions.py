"""Operators on the arguments of a convolution: kernel, dilation, stride, groups."""

import ast
from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.layers import Layer
from deltanas_tools.propose_delta.mutation.named_numbers import named_numbers, passed_numbers
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.placement import chain_of
from deltanas_tools.propose_delta.mutation.shapes import (
    channel_divisor,
    is_same_padded,
    plain_convs,
    takes_any_size,
)
from deltanas_tools.propose_delta.mutation.source import Change, Edit

KERNELS = (1, 3, 5, 7)
MAX_KERNEL = 15


def change_kernel(network: Network) -> Iterator[Edit]:
    """Change an odd kernel; the padding changes with it, so that the shape stays."""
    for layer in network.layers_of("Conv2d"):
        kernel, padding = layer.arguments.get("kernel_size"), layer.arguments.get("padding")
        size, pad = layer.number("kernel_size"), layer.number("padding")
        if kernel is None or padding is None or size is None or not is_same_padded(network, layer):
            continue
        for other in _other_kernels(size):
            changes = [network.source.replace(kernel, str(other))]
            if pad is not None:
                dilation = layer.number("dilation") or 1
                changes.append(network.source.replace(padding, str(dilation * (other // 2))))
            yield Edit(
                f"Change the kernel {network.place(layer.call)} from {size} to {other}",
                tuple(changes),
            )
    for number in (*named_numbers(network), *passed_numbers(network)):
        if number.role == "kernel" and isinstance(number.value, int) and number.value % 2 == 1:
            for other in _other_kernels(number.value):
                change = network.source.replace(number.node, str(other))
                yield Edit(f"Change {number.name} from {number.value} to {other}", (change,))


def _other_kernels(size: int) -> list[int]:
    near = {*KERNELS, size - 2, size + 2} if size <= MAX_KERNEL else set()
    return sorted(other for other in near - {size} if other >= (3 if size > 1 else 1))


def change_dilation(network: Network) -> Iterator[Edit]:
    """Dilate a convolution; the padding grows with it, so that the shape stays."""
    for layer in network.layers_of("Conv2d"):
        padding, size = layer.arguments.get("padding"), layer.number("kernel_size")
        pad = layer.number("padding")
        if padding is None or size is None or size == 1 or pad is None:
            continue
        if "dilation" in layer.arguments or not is_same_padded(network, layer):
            continue
        for dilation in (2, 3):
            yield Edit(
                f"Dilate the convolution {network.place(layer.call)} by {dilation}",
                (
                    network.source.replace(padding, str(dilation * pad)),
                    add_keyword(network, layer, f"dilation={dilation}"),
                ),
            )


def change_stride(network: Network) -> Iterator[Edit]:
    """Halve or double the resolution at a stride, where a global pooling takes any size."""
    if not takes_any_size(network):
        return
    for number in (*named_numbers(network), *passed_numbers(network)):
        # Inside a block a stride has to match that of the branch beside it.
        is_outside = network.owner(number.node) is network.net
        if number.role == "stride" and number.value in (1, 2) and is_outside:
            other = 3 - int(number.value)
            change = network.source.replace(number.node, str(other))
            yield Edit(f"Change {number.name} from {number.value} to {other}", (change,))
    for layer in network.layers_of("Conv2d"):
        if not _may_stride(network, layer):
            continue
        stride = layer.arguments.get("stride")
        if stride is None:
            change, verb = add_keyword(network, layer, "stride=2"), "Double"
        elif layer.number("stride") == 1:
            change, verb = network.source.replace(stride, "2"), "Double"
        elif layer.number("stride") == 2:
            change, verb = network.source.replace(stride, "1"), "Halve"
        else:
            continue
        yield Edit(f"{verb} the stride {network.place(layer.call)}", (change,))


def _may_stride(network: Network, layer: Layer) -> bool:
    """Tell whether nothing stands beside a convolution that its stride would have to match."""
    parent = network.source.parents[layer.call]
    is_alone = isinstance(parent, ast.Assign) or chain_of(network, layer.call) is not None
    padding = layer.arguments.get("padding")
    is_numeric = padding is None or layer.number("padding") is not None
    return (
        is_alone
        and network.owner(layer.call) is network.net
        and is_same_padded(network, layer)
        and (is_numeric or not isinstance(padding, ast.Constant))  # "same" allows no stride
    )


def add_keyword(network: Network, layer: Layer, text: str) -> Change:
    """Return the change that adds a keyword argument at the end of a call that has arguments."""
    last = [*layer.call.args, *(keyword.value for keyword in layer.call.keywords)][-1]
    end = network.source.end(last)
    return network.source.change(end, end, f", {text}")


def group(network: Network) -> Iterator[Edit]:
    """Split a convolution into groups that divide its channels."""
    for layer in plain_convs(network):
        common = channel_divisor(network, layer)
        for groups in (2, 4, 8):
            if common % groups == 0 and common > groups and "groups" not in layer.arguments:
                yield Edit(
                    f"Split the convolution {network.place(layer.call)} into {groups} groups",
                    (add_keyword(network, layer, f"groups={groups}"),),
                )
