"""Pairs of LEMUR's networks: near neighbours, of which the worse one is the parent."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from deltanas_agent.corpora.drafts import LeftOut, is_short, usable_child
from deltanas_agent.corpora.reports import Reports, input_of, read_reports, signatures_of
from deltanas_agent.corpora.similarity import Similarity
from deltanas_agent.corpora.trials import LOOSENESS, Comparison, compare
from deltanas_repo_store.entries import BaselineEntry
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.store import Store
from deltanas_tools.finetune_lora.corpus import CorpusSettings, Pair, family_of
from deltanas_tools.finetune_lora.corpus.collector import SAME_PROMPT
from deltanas_tools.novelty_check import Catalogue
from deltanas_tools.novelty_check.signatures import estimate_jaccard

NEAREST = 16
"""Neighbours that a network is compared with, at most."""
DRAWN = 20
"""How many neighbours are looked at, for each pair that is wanted."""


class _Neighbours(NamedTuple):
    """The worse and the better of two networks on a data set."""

    parent: BaselineEntry
    child: BaselineEntry
    dataset: str
    comparison: Comparison
    """Of the parent with the child."""


def lemur_pairs(
    catalogue: Catalogue,
    settings: CorpusSettings,
    similarity: Similarity,
    *,
    is_relative: Callable[[str, str], bool],
    left_out: Counter[str],
) -> Iterator[Pair]:
    """Yield drafts, in turn from every family and data set, those measured alike first."""
    found = _turns(list(_neighbours(catalogue, settings)), settings)
    for each, _ in zip(found, range(DRAWN * settings.lemur_pairs), strict=False):
        try:
            yield _pair(catalogue.store, each, settings, similarity, is_relative)
        except LeftOut as why:
            left_out[str(why)] += 1


def _pair(
    store: Store,
    found: _Neighbours,
    settings: CorpusSettings,
    similarity: Similarity,
    is_relative: Callable[[str, str], bool],
) -> Pair:
    parent, child = store.get(found.parent.id), store.get(found.child.id)
    if not is_short(parent.source, settings):
        raise LeftOut("the parent is too long")
    if similarity(parent.source, child.source) >= SAME_PROMPT:
        raise LeftOut("as good as the same text")
    both = ((found.parent.name, parent.source), (found.child.name, child.source))
    if any(is_relative(name, source) for name, source in both):
        raise LeftOut("related to a held-out network")
    return Pair(
        source="lemur",
        parent=parent,
        child=usable_child(parent.source, child.source, settings),
        dataset=found.dataset,
        input=input_of(found.dataset),
        compared=found.comparison.level,
        parent_accuracy=found.comparison.one,
        child_accuracy=found.comparison.other,
        parent_name=found.parent.name,
        child_name=found.child.name,
        family=family_of(found.parent.name),
        root=found.parent.name,
    )


def _turns(found: list[_Neighbours], settings: CorpusSettings) -> Iterator[_Neighbours]:
    """Yield in turn from every family and data set; the same two networks once."""
    rng = random.Random(f"{settings.seed} neighbours")
    rng.shuffle(found)
    levels = list(LOOSENESS)
    found.sort(key=lambda each: levels.index(each.comparison.level))
    cells: dict[tuple[str, str], list[_Neighbours]] = {}
    for each in reversed(found):
        cells.setdefault((family_of(each.parent.name), each.dataset), []).append(each)
    turns = list(cells.values())
    rng.shuffle(turns)
    seen: set[frozenset[str]] = set()
    while turns:
        for cell in turns:
            each = cell.pop()
            both = frozenset((each.parent.id, each.child.id))
            if both not in seen:
                seen.add(both)
                yield each
        turns = [cell for cell in turns if cell]


def _neighbours(catalogue: Catalogue, settings: CorpusSettings) -> Iterator[_Neighbours]:
    """Yield every two near networks that compare, on each data set that they have in common."""
    reports = read_reports(catalogue.store)
    ids, signatures = signatures_of(catalogue, reports.entries)
    for at in range(len(ids) - 1):
        estimates = estimate_jaccard(signatures[at], signatures[at + 1 :])
        near = np.flatnonzero(estimates >= settings.min_similarity)
        nearest = near[np.argsort(-estimates[near], kind="stable")][:NEAREST] + at + 1
        for other in nearest.tolist():
            yield from _compared(reports, ids[at], ids[other], settings.min_gain)


def _compared(
    reports: Reports, one: ArchitectureId, other: ArchitectureId, min_gain: float
) -> Iterator[_Neighbours]:
    mine, theirs = reports.measured[one], reports.measured[other]
    for dataset in sorted(mine.keys() & theirs.keys()):
        found = compare(mine[dataset], theirs[dataset], min_gain)
        if found is None:
            continue
        first, second = reports.entries[one], reports.entries[other]
        if found.one > found.other:
            first, second = second, first
            found = Comparison(found.level, found.other, found.one)
        yield _Neighbours(first, second, dataset, found)
