"""corpus: what a proposer's model is tuned on, as pairs of sources; a versioned set of files.

Prompts are not in it: they are rendered when a model is trained, so that formats compare.
"""

from deltanas_tools.finetune_lora.corpus.collector import Collector
from deltanas_tools.finetune_lora.corpus.families import GENERATED, family_of
from deltanas_tools.finetune_lora.corpus.files import (
    Corpus,
    Manifest,
    Provenance,
    read_corpus,
    read_manifest,
    write_corpus,
)
from deltanas_tools.finetune_lora.corpus.frozen import with_frozen_parts
from deltanas_tools.finetune_lora.corpus.lineage import RELATED, split_by_lineage
from deltanas_tools.finetune_lora.corpus.pairs import Network, Pair, PairSource
from deltanas_tools.finetune_lora.corpus.settings import CorpusSettings

__all__ = [
    "GENERATED",
    "RELATED",
    "Collector",
    "Corpus",
    "CorpusSettings",
    "Manifest",
    "Network",
    "Pair",
    "PairSource",
    "Provenance",
    "family_of",
    "read_corpus",
    "read_manifest",
    "split_by_lineage",
    "with_frozen_parts",
    "write_corpus",
]
