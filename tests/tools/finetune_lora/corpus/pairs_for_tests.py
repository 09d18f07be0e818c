"""Pairs with every field filled in, for tests that care about one of them."""

from deltanas_repo_store.records import Architecture
from deltanas_tools.finetune_lora.corpus import Corpus, CorpusSettings, Network, Pair, Provenance

PARENT = "width = 16\n"
CHILD = "width = 24\n"


def pair(parent: str = PARENT, child: str = CHILD, **changed: object) -> Pair:
    """A mutation of ``ga-1``."""
    values: dict[str, object] = {
        "source": "mutation",
        "parent": Architecture(source=parent, hparams={"lr": 0.1, "batch": 32}),
        "child": child,
        "dataset": "cifar-10",
        "input": "3x32x32-10",
        "parent_name": "ga-1",
        "family": "ga",
        "root": "ga-1",
    }
    return Pair.model_validate(values | changed)


def network(source: str = PARENT, name: str = "apart") -> Network:
    """A network to measure on."""
    return Network(
        name=name,
        family=name,
        architecture=Architecture(source=source, hparams={"lr": 0.1}),
        dataset="cifar-10",
        input="3x32x32-10",
    )


def corpus(*pairs: Pair, held_out: tuple[Network, ...] = ()) -> Corpus:
    """A corpus of these pairs."""
    provenance = Provenance(
        settings=CorpusSettings(),
        left_out={"mutation": {"ineffective": 3}},
        versions={"torch": "2"},
    )
    return Corpus(pairs=pairs, held_out=held_out, provenance=provenance)
