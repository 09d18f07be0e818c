"""Operators on pooling, local and global."""

import ast
from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.block_code import GENERALISED_MEAN_POOL, MEAN_MAX_POOL
from deltanas_tools.propose_delta.mutation.blocks import Block, bring
from deltanas_tools.propose_delta.mutation.convolutions import add_keyword
from deltanas_tools.propose_delta.mutation.layers import DROPOUTS, Layer
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.placement import chain_of, put
from deltanas_tools.propose_delta.mutation.shapes import (
    channels_before,
    is_same_padded,
    takes_any_size,
)
from deltanas_tools.propose_delta.mutation.source import Change, Edit

SWAPS = {
    "MaxPool2d": "AvgPool2d",
    "AvgPool2d": "MaxPool2d",
    "AdaptiveAvgPool2d": "AdaptiveMaxPool2d",
    "AdaptiveMaxPool2d": "AdaptiveAvgPool2d",
    "AdaptiveAvgPool1d": "AdaptiveMaxPool1d",
    "AdaptiveMaxPool1d": "AdaptiveAvgPool1d",
}
FUNCTION_SWAPS = {
    "max_pool2d": "avg_pool2d",
    "avg_pool2d": "max_pool2d",
    "adaptive_avg_pool2d": "adaptive_max_pool2d",
    "adaptive_max_pool2d": "adaptive_avg_pool2d",
}
SHARED_ARGUMENTS = {"kernel_size", "stride", "padding", "ceil_mode", "output_size"}


def swap_pool(network: Network) -> Iterator[Edit]:
    """Replace a maximum by a mean or a mean by a maximum."""
    for layer in network.layers_of(*SWAPS):
        other = SWAPS[layer.kind]
        if _is_swappable(layer):
            change = network.source.replace(layer.call.func, f"{network.nn}.{other}")
            yield Edit(f"Replace {layer.kind} by {other} {network.place(layer.call)}", (change,))
    for call in network.calls:
        function = FUNCTION_SWAPS.get(network.function(call))
        names = {keyword.arg for keyword in call.keywords}
        if function and len(call.args) <= 4 and names <= SHARED_ARGUMENTS:
            change = network.source.replace(call.func, f"{network.functional}.{function}")
            yield Edit(
                f"Replace {network.function(call)} by {function} {network.place(call)}", (change,)
            )
        elif _is_global_mean(call):
            assert isinstance(call.func, ast.Attribute)
            end = network.source.end(call.func)
            change = network.source.change(end - len("mean"), end, "amax")
            yield Edit(f"Replace the mean by the maximum {network.place(call)}", (change,))


def _is_swappable(layer: Layer) -> bool:
    """Tell whether a pooling has only arguments that the other kind has too."""
    positional = len(layer.call.args) <= 3  # the fourth means another thing for each kind
    is_adaptive = layer.kind.startswith("Adaptive")
    return positional and (is_adaptive or layer.arguments.keys() <= SHARED_ARGUMENTS)


def _is_global_mean(call: ast.Call) -> bool:
    """Tell whether a call is ``x.mean((2, 3))`` or ``x.mean(dim=...)``."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr == "mean"):
        return False
    dims = [*call.args[:1], *(word.value for word in call.keywords if word.arg == "dim")]
    return any(isinstance(dim, ast.Tuple | ast.List) for dim in dims)


def add_peaks(network: Network) -> Iterator[Edit]:
    """Sum the mean and the maximum in an adaptive pooling."""
    yield from _replace_adaptive(network, MEAN_MAX_POOL, "Add the maximum to the pooled mean")


def generalise_mean(network: Network) -> Iterator[Edit]:
    """Pool by a generalised mean with a learned exponent."""
    if any("inplace" in layer.arguments for layer in network.layers_of(*DROPOUTS)):
        return  # a power needs its result for the gradient, and a dropout may overwrite it
    yield from _replace_adaptive(network, GENERALISED_MEAN_POOL, "Pool by a generalised mean")


def _replace_adaptive(network: Network, block: Block, what: str) -> Iterator[Edit]:
    for layer in network.layers_of("AdaptiveAvgPool2d", "AdaptiveMaxPool2d"):
        owner = network.owner(layer.call)
        if owner is not None and owner.name.startswith(block.name):
            continue
        name, defined = bring(network, block)
        change = network.source.replace(layer.call.func, name)
        yield Edit(f"{what} {network.place(layer.call)}", (*defined, change))


def pool_instead_of_stride(network: Network) -> Iterator[Edit]:
    """Move the stride of a convolution into a pooling in front of it."""
    for layer in network.layers_of("Conv2d"):
        stride = layer.arguments.get("stride")
        if stride is None or layer.number("stride") != 2 or not is_same_padded(network, layer):
            continue
        start = network.source.start(layer.call)
        conv = network.source.segment(layer.call)
        offset = network.source.start(stride) - start
        conv = conv[:offset] + "1" + conv[offset + len(network.source.segment(stride)) :]
        for pool in ("AvgPool2d", "MaxPool2d"):
            # ceil_mode gives the size that a stride of 2 gives, on odd sizes too.
            layers = [f"{network.nn}.{pool}(2, ceil_mode=True)", conv]
            if changes := put(network, layer.call, layers):
                yield Edit(f"Replace the stride {network.place(layer.call)} by {pool}", changes)


def stride_instead_of_pool(network: Network) -> Iterator[Edit]:
    """Replace a pooling by a strided convolution that learns how to pool."""
    for layer in network.layers_of("MaxPool2d", "AvgPool2d"):
        chain = chain_of(network, layer.call)
        channels = channels_before(network, chain) if chain else ""
        if not channels or layer.number("kernel_size") != 2:
            continue
        if layer.arguments.keys() - {"kernel_size", "stride"} or layer.number("stride") not in (
            None,
            2,
        ):
            continue
        conv = f"{network.nn}.Conv2d({channels}, {channels}, 2, stride=2"
        for text, kind in ((f"{conv})", "strided"), (f"{conv}, groups={channels})", "depthwise")):
            yield Edit(
                f"Replace {layer.kind} by a {kind} convolution {network.place(layer.call)}",
                (network.source.replace(layer.call, text),),
            )


def overlap_pool(network: Network) -> Iterator[Edit]:
    """Let the windows of a pooling overlap; the size stays, rounded up instead of down."""
    if not takes_any_size(network):
        return
    for layer in network.layers_of("MaxPool2d", "AvgPool2d"):
        kernel = layer.arguments.get("kernel_size")
        if kernel is None or layer.number("kernel_size") != 2 or len(layer.arguments) != 1:
            continue
        changes: tuple[Change, ...] = (
            network.source.replace(kernel, "3"),
            add_keyword(network, layer, "stride=2, padding=1"),
        )
        yield Edit(f"Let the windows of {layer.kind} overlap {network.place(layer.call)}", changes)
