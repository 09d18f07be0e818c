"""Pairs out of the store: kept deltas that were better than their parent beyond noise."""

from collections import Counter
from collections.abc import Iterator

from deltanas_agent.corpora.drafts import LeftOut, is_short, usable_child
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
        if isinstance(entry, KeptEntry):
            try:
                yield _pair(store, entry, settings)
            except LeftOut as why:
                left_out[str(why)] += 1


def _pair(store: Store, entry: KeptEntry, settings: CorpusSettings) -> Pair:
    if not entry.improved:
        raise LeftOut("not better beyond noise")
    kept, parent = store.outcome(entry.key), store.get(entry.parent)
    assert isinstance(kept, Kept)
    root = ancestors(store, entry.id)[0]
    transform = parse(kept.evaluation.transform)
    if not isinstance(root, BaselineEntry):
        raise LeftOut("its baseline is gone")
    if root.name.startswith(RAG_PREFIX):
        raise LeftOut("a rag-* network's")
    if kept.architecture.hparams != parent.hparams:
        raise LeftOut("other hyper-parameters")
    if kept.evaluation.dataset not in RECIPES or transform.ending == "complex":
        raise LeftOut("a data set of another kind")
    if not is_short(parent.source, settings):
        raise LeftOut("the parent is too long")
    recipe = RECIPES[kept.evaluation.dataset]
    shape = transform.image_shape(*recipe.image_shape)
    return Pair(
        source="store",
        parent=parent,
        child=usable_child(parent.source, kept.architecture.source, settings),
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
