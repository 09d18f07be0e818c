"""Operators on dropout inside the network."""

import ast
from collections.abc import Iterator

from deltanas_tools.propose_delta.mutation.layers import ACTIVATIONS, DROPOUTS
from deltanas_tools.propose_delta.mutation.named_numbers import named_numbers, passed_numbers
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.placement import chain_of, put
from deltanas_tools.propose_delta.mutation.source import Edit

PROBABILITIES = (0.05, 0.1, 0.2, 0.3, 0.5)


def change_dropout(network: Network) -> Iterator[Edit]:
    """Change the probability of a dropout that is a literal."""
    numbers = [
        (number.node, number.name)
        for number in (*named_numbers(network), *passed_numbers(network))
        if number.role == "dropout"
    ]
    for layer in network.layers_of(*DROPOUTS):
        argument = layer.arguments.get("p")
        if isinstance(argument, ast.Constant):
            numbers.append((argument, f"the dropout {network.place(layer.call)}"))
    for node, name in numbers:
        value = node.value
        if not isinstance(value, int | float):
            continue
        for other in PROBABILITIES:
            if other != value:
                change = network.source.replace(node, str(other))
                yield Edit(f"Change {name} from {value:g} to {other:g}", (change,))


def add_dropout(network: Network) -> Iterator[Edit]:
    """Drop activations inside a chain: whole channels where it convolves, else single ones."""
    for layer in network.layers_of(*ACTIVATIONS):
        chain = chain_of(network, layer.call)
        if chain is None:
            continue
        kinds = {network.kind(element) for element in chain.elements}
        if kinds & DROPOUTS:
            continue
        dropout = "Dropout2d" if "Conv2d" in kinds else "Dropout"
        for probability in PROBABILITIES[:3]:
            layers = [
                network.source.segment(layer.call),
                f"{network.nn}.{dropout}({probability})",
            ]
            if changes := put(network, layer.call, layers):
                yield Edit(
                    f"Add {dropout}({probability}) behind the {layer.kind} "
                    f"{network.place(layer.call)}",
                    changes,
                )
