"""Pairs by chance, for warming up: networks and random edits of their syntax trees."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from deltanas_agent.corpora.drafts import LeftOut, usable_child
from deltanas_repo_store.errors import ProposerError
from deltanas_tools.finetune_lora.corpus import CorpusSettings, Network, Pair
from deltanas_tools.propose_delta.mutation.proposer import mutate

ROUNDS = 3
"""Tries at a network, for each pair that there may be of it."""


def mutant_pairs(
    networks: Sequence[Network], settings: CorpusSettings, left_out: Counter[str]
) -> Iterator[Pair]:
    """Yield drafts of random edits, of each network one before the second of any."""
    mutable = list(networks)
    for turn in range(ROUNDS * settings.pairs_per_parent):
        for network in tuple(mutable):
            try:
                yield _mutant(network, settings, turn)
            except LeftOut as why:
                left_out[str(why)] += 1
            except ProposerError:
                left_out["nothing in it can be mutated"] += 1
                mutable.remove(network)


def _mutant(network: Network, settings: CorpusSettings, turn: int) -> Pair:
    rng = random.Random(f"{settings.seed} {network.name} {turn}")
    parent = network.architecture.source
    mutated, edits = mutate(parent, rng.randint(1, settings.max_edits), rng)
    return Pair(
        source="mutation",
        parent=network.architecture,
        child=usable_child(parent, mutated, settings),
        dataset=network.dataset,
        input=network.input,
        parent_name=network.name,
        family=network.family,
        root=network.name,
        summary="; ".join(each.summary for each in edits),
    )
