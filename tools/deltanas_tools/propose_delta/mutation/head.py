"""Operators on the classifier at the end of the network."""

import ast
from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.layers import Layer
from deltanas_tools.propose_delta.mutation.network import Network, find_nodes
from deltanas_tools.propose_delta.mutation.placement import put
from deltanas_tools.propose_delta.mutation.shapes import in_text, text_of
from deltanas_tools.propose_delta.mutation.source import Edit

CLASS_NAMES = {"classes", "class", "out", "nclass", "nclasses"}


def _heads(network: Network) -> Iterator[Layer]:
    """Yield the linear layers whose outputs are the classes."""
    for layer in network.layers_of("Linear"):
        outputs = layer.arguments.get("out_features")
        if outputs is None or not in_text(layer):
            continue
        names = {node.id for node in find_nodes(outputs, ast.Name)}
        names |= {node.attr for node in find_nodes(outputs, ast.Attribute)}
        if any(CLASS_NAMES & set(name.split("_")) for name in names):
            yield layer


def add_hidden_layer(network: Network) -> Iterator[Edit]:
    """Add a hidden layer in front of the classifier."""
    nn = network.nn
    for layer in _heads(network):
        features = in_text(layer)
        outputs = text_of(layer.arguments["out_features"])
        sizes = ["128", "256"]
        if not isinstance(layer.arguments["in_features"], ast.BinOp):
            sizes.append(f"2 * {features}")
        for hidden in sizes:
            for activation in ("ReLU", "GELU", "SiLU"):
                if not outputs:
                    continue
                layers = [
                    f"{nn}.Linear({features}, {hidden})",
                    f"{nn}.{activation}()",
                    f"{nn}.Linear({hidden}, {outputs})",
                ]
                if changes := put(network, layer.call, layers):
                    size = hidden if hidden.isdigit() else "twice as many"
                    yield Edit(
                        f"Add a hidden layer of {size} {activation} units to the head", changes
                    )


def normalise_features(network: Network) -> Iterator[Edit]:
    """Normalise the features in front of the classifier."""
    for layer in _heads(network):
        for norm in ("LayerNorm", "RMSNorm"):
            layers = [
                f"{network.nn}.{norm}({in_text(layer)})",
                network.source.segment(layer.call),
            ]
            if changes := put(network, layer.call, layers):
                yield Edit(f"Put {norm} in front of the head", changes)


def drop_features(network: Network) -> Iterator[Edit]:
    """Drop features at random in front of the classifier."""
    for layer in _heads(network):
        for probability in ("0.1", "0.2", "0.3", "0.5"):
            layers = [
                f"{network.nn}.Dropout({probability})",
                network.source.segment(layer.call),
            ]
            if changes := put(network, layer.call, layers):
                yield Edit(f"Drop out {probability} of the features of the head", changes)
