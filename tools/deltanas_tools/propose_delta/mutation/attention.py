"""Operators that let features weigh features: attention over channels and over places."""

from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.block_code import (
    CHANNEL_ATTENTION,
    EFFICIENT_CHANNEL_ATTENTION,
    ENERGY_ATTENTION,
    GLOBAL_CONTEXT,
    SPATIAL_ATTENTION,
    SQUEEZE_EXCITE,
)
from deltanas_tools.propose_delta.mutation.blocks import Block, bring
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.placement import put
from deltanas_tools.propose_delta.mutation.shapes import makes_feature_map, out_text
from deltanas_tools.propose_delta.mutation.source import Edit


def squeeze_excite(network: Network) -> Iterator[Edit]:
    """Add squeeze-and-excitation behind a convolution or its normalisation.

    Source: Hu, Shen and Sun, "Squeeze-and-Excitation Networks" (2018).
    """
    yield from _behind_channels(network, SQUEEZE_EXCITE, "squeeze-excite", ("", ", reduction=8"))


def channel_attention(network: Network) -> Iterator[Edit]:
    """Add attention over channels that sees means and maxima.

    Source: Woo, Park, Lee and Kweon, "CBAM: Convolutional Block Attention Module" (2018).
    """
    options = ("", ", reduction=4")
    yield from _behind_channels(network, CHANNEL_ATTENTION, "channel attention", options)


def global_context(network: Network) -> Iterator[Edit]:
    """Add what is seen anywhere to every place.

    Source: Cao et al., "GCNet: Non-local Networks Meet Squeeze-Excitation Networks and Beyond"
    (2019); simplified: one linear transform.
    """
    yield from _behind_channels(network, GLOBAL_CONTEXT, "global context", ("",))


def efficient_channel_attention(network: Network) -> Iterator[Edit]:
    """Add attention over channels that need not know their number.

    Source: Wang et al., "ECA-Net: Efficient Channel Attention for Deep CNNs" (2020).
    """
    block = EFFICIENT_CHANNEL_ATTENTION
    yield from _behind_feature_maps(network, block, "efficient channel attention", ("3", "5"))


def spatial_attention(network: Network) -> Iterator[Edit]:
    """Add attention over places.

    Source: Woo, Park, Lee and Kweon, "CBAM: Convolutional Block Attention Module" (2018).
    """
    options = ("3", "5", "7")
    yield from _behind_feature_maps(network, SPATIAL_ATTENTION, "spatial attention", options)


def energy_attention(network: Network) -> Iterator[Edit]:
    """Add attention without parameters.

    Source: Yang et al., "SimAM: A Simple, Parameter-Free Attention Module for Convolutional
    Neural Networks" (2021).
    """
    yield from _behind_feature_maps(network, ENERGY_ATTENTION, "energy attention", ("",))


def _behind_channels(
    network: Network, block: Block, what: str, options: tuple[str, ...]
) -> Iterator[Edit]:
    """Add a block that is told the channels, behind layers whose channels are written out."""
    name, defined = bring(network, block)
    for layer in network.layers_of("Conv2d", "BatchNorm2d"):
        if channels := out_text(layer):
            for option in options:
                layers = [network.source.segment(layer.call), f"{name}({channels}{option})"]
                if changes := put(network, layer.call, layers):
                    where = network.place(layer.call)
                    summary = f"Add {what} behind the {layer.kind} {where}"
                    yield Edit(summary, (*defined, *changes))


def _behind_feature_maps(
    network: Network, block: Block, what: str, options: tuple[str, ...]
) -> Iterator[Edit]:
    """Add a block that takes any feature map."""
    name, defined = bring(network, block)
    for layer in network.layers:
        if makes_feature_map(layer):
            for option in options:
                layers = [network.source.segment(layer.call), f"{name}({option})"]
                if changes := put(network, layer.call, layers):
                    where = network.place(layer.call)
                    summary = f"Add {what} behind the {layer.kind} {where}"
                    yield Edit(summary, (*defined, *changes))
