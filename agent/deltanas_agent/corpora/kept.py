"""Pairs out of the store: kept deltas that were better than their parent beyond noise."""

from collections import Counter
from collections.abc import Iterator

from deltanas_agent.corpora.drafts import usable_child
from deltanas_agent.corpora.networks import is_short
from deltanas_repo_store.entries import BaselineEntry, KeptEntry
from deltanas_repo_store.importers.lemur import RAG_PREFIX
from deltanas_repo_store.queries import ancestors, names, newest
from deltanas_repo_store.records import Kept
from deltanas_repo_store.store import Store
from deltanas_tools.datasets.recipes import RECIPES
from deltanas_tools.finetune_lora.corpus import CorpusSettings, Pair, family_of
from deltanas_tools.transforms import parse

MOST = 100_000
"""Kept candidates that are looked at, the newest first."""


def kept_pairs(store: Store, settings: CorpusSettings, left_out: Counter[str]) -> Iterator[Pair]:
    """Yield drafts, the newest first."""
    for entry in newest(store, status="kept", limit=MOST):
        if not isinstance(entry, KeptEntry):
            continue
        if not entry.improved:
            left_out["not better beyond noise"] += 1
            continue
        pair = _pair(store, entry, settings, left_out)
        if pair is not None:
            yield pair


def _pair(
    store: Store, entry: KeptEntry, settings: CorpusSettings, left_out: Counter[str]
) -> Pair | None:
    kept, parent = store.outcome(entry.key), store.get(entry.parent)
    assert isinstance(kept, Kept)
    transform = parse(kept.evaluation.transform)
    if kept.architecture.hparams != parent.hparams:
        left_out["other hyper-parameters"] += 1
        return None
    if kept.evaluation.dataset not in RECIPES or transform.ending == "complex":
        left_out["a data set of another kind"] += 1
        return None
    if not is_short(parent.source, settings):
        left_out["the parent is too long"] += 1
        return None
    root = ancestors(store, entry.id)[0]
    if not isinstance(root, BaselineEntry):
        left_out["its baseline is gone"] += 1
        return None
    if root.name.startswith(RAG_PREFIX):
        left_out["a rag-* network's"] += 1
        return None
    child = usable_child(parent.source, kept.architecture.source, settings, left_out)
    if child is None:
        return None
    recipe = RECIPES[kept.evaluation.dataset]
    shape = transform.image_shape(*recipe.image_shape)
    return Pair(
        source="store",
        parent=parent,
        child=child,
        dataset=kept.evaluation.dataset,
        input=f"{'x'.join(map(str, shape))}-{recipe.num_classes}",
        epochs=kept.evaluation.epochs,
        compared="alike",
        parent_accuracy=kept.parent_accuracy,
        child_accuracy=kept.evaluation.accuracy,
        parent_name=names(store, [entry.parent]).get(entry.parent, ""),
        child_name=entry.name,
        family=family_of(root.name),
        root=root.name,
        summary=kept.pending.proposal.summary,
    )
