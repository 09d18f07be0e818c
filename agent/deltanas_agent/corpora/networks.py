"""Which networks are held out and which are mutated: of many families, and only what builds."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from itertools import chain, islice

from deltanas_agent.corpora.builds import Builds, Built, in_order
from deltanas_agent.corpora.drafts import is_short
from deltanas_agent.corpora.similarity import Similarity
from deltanas_repo_store.baselines import baseline_names
from deltanas_repo_store.entries import BaselineEntry
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.importers.lemur import RAG_PREFIX
from deltanas_repo_store.records import Architecture
from deltanas_repo_store.store import Store
from deltanas_tools.finetune_lora.corpus import (
    GENERATED,
    RELATED,
    CorpusSettings,
    Network,
    family_of,
)

SIZES = {"3x32x32-10": "cifar-10", "1x28x28-10": "mnist"}
"""Sizes that networks are tried at, the first that works, and a data set of each."""

TRIES = 8
"""How many networks are built, for each that is wanted."""


def held_out_networks(
    store: Store, settings: CorpusSettings, builds: Builds, similarity: Similarity
) -> Iterator[Network]:
    """Yield the named ones, then the sample: each of a family of its own, unlike the others.

    Families that people wrote come first, since the others have many relatives.

    Raises:
        ConfigError: a named one is not in the store, or builds at no size.
    """
    there = {entry.name: entry for entry in store.baselines()}
    if missing := [name for name in settings.held_out if name not in there]:
        raise ConfigError(
            f"the store has no baseline {missing[0]!r}, which is to be held out; name others"
        )
    named = [(there[name], store.get(there[name].id)) for name in settings.held_out]
    found = list(_that_build(named, builds, Counter()))
    if failed := set(settings.held_out) - {each.name for each in found}:
        raise ConfigError(
            f"the held-out network {min(failed)} builds at none of {', '.join(SIZES)}; name another"
        )
    yield from found
    apart = {*map(family_of, baseline_names()), *(each.family for each in found)}
    others = [entry for entry in there.values() if family_of(entry.name) not in apart]
    written = [entry for entry in others if family_of(entry.name) not in GENERATED]
    generated = [entry for entry in others if family_of(entry.name) in GENERATED]
    draws = (_drawn(store, each, settings, "held out") for each in (written, generated))
    unlike = _unlike(chain.from_iterable(draws), found, settings, builds, similarity)
    yield from islice(unlike, settings.held_out_sample)


def _unlike(
    drawn: Iterable[tuple[BaselineEntry, Architecture]],
    found: Sequence[Network],
    settings: CorpusSettings,
    builds: Builds,
    similarity: Similarity,
) -> Iterator[Network]:
    """Yield networks that are of another family than those before, and no near-duplicates."""
    before = list(found)
    tries: Counter[str] = Counter()

    def hopeful() -> Iterator[tuple[BaselineEntry, Architecture]]:
        for entry, architecture in drawn:
            family = family_of(entry.name)
            tries[family] += 1
            if tries[family] <= TRIES and all(each.family != family for each in before):
                yield entry, architecture

    for network in _that_build(hopeful(), builds, Counter(), max_params=settings.max_params):
        source = network.architecture.source
        is_new = all(
            each.family != network.family and similarity(each.architecture.source, source) < RELATED
            for each in before
        )
        if is_new:
            before.append(network)
            yield network


def mutated_networks(
    store: Store,
    settings: CorpusSettings,
    builds: Builds,
    *,
    held_out: Sequence[Network],
    is_relative: Callable[[str, str], bool],
    left_out: Counter[str],
) -> Iterator[Network]:
    """Yield networks to mutate besides those held out, of each family one before the second."""
    apart = {each.name for each in held_out}

    def distant() -> Iterator[tuple[BaselineEntry, Architecture]]:
        others = [entry for entry in store.baselines() if entry.name not in apart]
        for entry, architecture in _drawn(store, others, settings, "mutated"):
            if is_relative(entry.name, architecture.source):
                left_out["related to a held-out network"] += 1
            else:
                yield entry, architecture

    tried = islice(distant(), TRIES * settings.mutated_networks)
    found = _that_build(tried, builds, left_out, max_params=settings.max_params)
    for number, network in enumerate(found, start=1):
        yield network
        if number == settings.mutated_networks:
            return


def _drawn(
    store: Store, entries: Iterable[BaselineEntry], settings: CorpusSettings, purpose: str
) -> Iterator[tuple[BaselineEntry, Architecture]]:
    """Yield baselines that are short enough, in turn from every family, in a random order.

    The ``rag-*`` are left out: see `importers.lemur.RAG_WARNING`.
    """
    rng = random.Random(f"{settings.seed} {purpose}")
    families: dict[str, list[BaselineEntry]] = {}
    for entry in entries:
        if not entry.name.startswith(RAG_PREFIX):
            families.setdefault(family_of(entry.name), []).append(entry)
    turns = [rng.sample(each, len(each)) for each in families.values()]
    rng.shuffle(turns)
    while turns:
        for members in turns:
            entry = members.pop()
            architecture = store.get(entry.id)
            if is_short(architecture.source, settings):
                yield entry, architecture
        turns = [members for members in turns if members]


def _that_build(
    found: Iterable[tuple[BaselineEntry, Architecture]],
    builds: Builds,
    left_out: Counter[str],
    *,
    max_params: int | None = None,
) -> Iterator[Network]:
    def begin(each: tuple[BaselineEntry, Architecture]) -> "Future[Built]":
        return builds.begin_sizes(each[1], tuple(SIZES))

    for (entry, architecture), built in in_order(found, begin, ahead=len(builds)):
        if not built.trace:
            left_out["the parent does not build"] += 1
        elif max_params is not None and built.num_params > max_params:
            left_out["the parent has too many parameters"] += 1
        else:
            yield Network(
                name=entry.name,
                family=family_of(entry.name),
                architecture=architecture,
                dataset=SIZES[built.size],
                input=built.size,
            )
