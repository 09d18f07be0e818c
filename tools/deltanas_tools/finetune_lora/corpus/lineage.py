"""Splitting by lineage: nothing that is related to a held-out network is trained on."""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

from deltanas_tools.finetune_lora.corpus.families import GENERATED
from deltanas_tools.finetune_lora.corpus.pairs import Network, Pair

RELATED = 0.9
"""Jaccard similarity from which two networks count as relatives; the paper's near-duplicates."""

_Node = TypeVar("_Node", bound=Hashable)


def split_by_lineage(
    pairs: Sequence[Pair], held_out: Sequence[Network], related: Iterable[tuple[str, str]]
) -> tuple[Pair, ...]:
    """Say of each pair whether it is held out.

    Relatives are parent and child, all of one root, all of one family that people wrote, and
    whoever is related to a relative.

    Args:
        pairs: In any order, which is kept.
        held_out: The networks to measure on.
        related: Pairs of sources that are near-duplicates.
    """
    edges: list[tuple[str, str]] = [*related]
    first: dict[str, str] = {}
    for network in held_out:
        source = network.architecture.source
        edges += [(source, first.setdefault(kin, source)) for kin in _kin(network)]
    for pair in pairs:
        source = pair.parent.source
        edges.append((source, pair.child))
        edges += [(source, first.setdefault(kin, source)) for kin in _kin(pair)]
    kin_of = components(edges)
    apart = {kin_of[each.architecture.source] for each in held_out}
    return tuple(
        pair.model_copy(update={"held_out": kin_of[pair.parent.source] in apart}) for pair in pairs
    )


def _kin(each: Pair | Network) -> Iterator[str]:
    """Yield what a network has in common with its relatives, whatever they look like."""
    yield f"root {each.root if isinstance(each, Pair) else each.name}"
    if each.family not in GENERATED:
        yield f"family {each.family}"


def components(edges: Iterable[tuple[_Node, _Node]]) -> dict[_Node, _Node]:
    """Return a representative of each node's connected component; nodes without edges have none.

    Source: Tarjan, "Efficiency of a Good But Not Linear Set Union Algorithm" (1975); here with
    path halving and without ranks.
    """
    above: dict[_Node, _Node] = {}

    def top(node: _Node) -> _Node:
        above.setdefault(node, node)
        while above[node] != node:
            above[node] = above[above[node]]
            node = above[node]
        return node

    for one, other in edges:
        above[top(one)] = top(other)
    return {node: top(node) for node in above}
