"""Operators on normalisation layers and on their order."""

from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.layers import (
    ACTIVATIONS,
    FEATURE_MAP_NORMS,
    NORMS,
    Layer,
)
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.placement import chain_of, put
from deltanas_tools.propose_delta.mutation.shapes import channel_divisor, in_text, out_text
from deltanas_tools.propose_delta.mutation.source import Edit


def swap_norm(network: Network) -> Iterator[Edit]:
    """Replace a normalisation by one of another kind, at one place or at all."""
    layers = [layer for layer in network.layers_of(*NORMS) if out_text(layer)]
    swaps = {id(layer): _other_norms(network, layer) for layer in layers}
    for kind in sorted({kind for found in swaps.values() for kind in found}):
        sites = [layer for layer in layers if kind in swaps[id(layer)]]
        changes = [network.source.replace(layer.call, swaps[id(layer)][kind]) for layer in sites]
        if len(sites) > 1:
            yield Edit(f"Replace every {sites[0].kind} by {kind}", tuple(changes))
        for layer, change in zip(sites, changes, strict=True):
            where = network.place(layer.call)
            yield Edit(f"Replace {layer.kind} by {kind} {where}", (change,))


def _other_norms(network: Network, layer: Layer) -> dict[str, str]:
    """Return the code of what may replace a normalisation, by kind."""
    channels, nn = out_text(layer), network.nn
    if layer.kind == "LayerNorm":
        return {"RMSNorm": f"{nn}.RMSNorm({channels})"}
    if layer.kind == "RMSNorm":
        return {"LayerNorm": f"{nn}.LayerNorm({channels})"}
    if layer.kind == "BatchNorm1d":
        return {}
    choices = {}
    if layer.kind != "BatchNorm2d":
        choices["BatchNorm2d"] = f"{nn}.BatchNorm2d({channels})"
    groups = group_count(channel_divisor(network, layer))
    if layer.kind != "GroupNorm":
        choices["GroupNorm"] = f"{nn}.GroupNorm({groups}, {channels})"
    else:
        choices.pop("BatchNorm2d")  # what a GroupNorm gets need not be a feature map
        if layer.number("num_groups") != 1:
            choices["GroupNorm of one group"] = f"{nn}.GroupNorm(1, {channels})"
    return choices


def group_count(channels: int) -> int:
    """Return the number of groups for a channel count that ``channels`` divides."""
    return next((groups for groups in (8, 4, 2) if channels % groups == 0), 1)


def add_norm(network: Network) -> Iterator[Edit]:
    """Normalise the output of a convolution that nothing normalises."""
    for layer in network.layers_of("Conv2d"):
        channels, owner = out_text(layer), network.owner(layer.call)
        chain = chain_of(network, layer.call)
        near = chain.after[:1] if chain else ()
        if chain is None:
            near = tuple(
                other.call
                for other in network.layers_of(*NORMS)
                if network.owner(other.call) is owner
            )
        if not channels or any(network.kind(element) in NORMS for element in near):
            continue
        groups = group_count(channel_divisor(network, layer))
        for norm in (f"BatchNorm2d({channels})", f"GroupNorm({groups}, {channels})"):
            layers = [network.source.segment(layer.call), f"{network.nn}.{norm}"]
            if changes := put(network, layer.call, layers):
                kind = norm.partition("(")[0]
                yield Edit(
                    f"Add {kind} behind the convolution {network.place(layer.call)}", changes
                )


def swap_order(network: Network) -> Iterator[Edit]:
    """Swap a normalisation with the activation behind it, or the other way round."""
    for layer in network.layers_of(*NORMS, *ACTIVATIONS):
        chain = chain_of(network, layer.call)
        following = network.layer(chain.after[0]) if chain and chain.after else None
        if following is None or {layer.kind in NORMS, following.kind in NORMS} != {True, False}:
            continue
        if following.kind not in NORMS | ACTIVATIONS:
            continue
        first, second = layer.call, following.call
        yield Edit(
            f"Swap {layer.kind} and {following.kind} {network.place(first)}",
            (
                network.source.replace(first, network.source.segment(second)),
                network.source.replace(second, network.source.segment(first)),
            ),
        )


def activate_first(network: Network) -> Iterator[Edit]:
    """Move the normalisation and activation behind a convolution in front of it."""
    for layer in network.layers_of("Conv2d"):
        chain = chain_of(network, layer.call)
        if chain is None or len(chain.after) < 2 or not chain.before:
            continue
        norm, activation = network.layer(chain.after[0]), network.layer(chain.after[1])
        channels = in_text(layer)
        if norm is None or activation is None or activation.kind not in ACTIVATIONS or not channels:
            continue
        if norm.kind not in FEATURE_MAP_NORMS - {"GroupNorm"}:
            continue
        moved = (
            f"{network.nn}.{norm.kind}({channels})",
            network.source.segment(activation.call),
            network.source.segment(layer.call),
        )
        yield Edit(
            f"Normalise and activate before the convolution {network.place(layer.call)}",
            tuple(map(network.source.replace, (layer.call, norm.call, activation.call), moved)),
        )
