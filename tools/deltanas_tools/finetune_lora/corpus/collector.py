"""Which pairs a corpus has room for: no near-duplicates, and not too much of one kind."""

import math
from collections import Counter
from collections.abc import Callable

from deltanas_tools.finetune_lora.corpus.pairs import Pair, PairSource
from deltanas_tools.finetune_lora.corpus.settings import CorpusSettings

SAME_PROMPT = 0.97
"""Jaccard similarity of two parents from which their prompts are as good as the same."""

Similarity = Callable[[str, str], float]
"""Of two sources, from 0 to 1."""
DeltaKey = Callable[[str, str], str]
"""What a delta takes out and puts in, wherever that stands: equal for near-duplicates."""

SAME_DELTA = "near-duplicate delta"
ENOUGH = ("enough of this parent", "enough of this family", "enough of this data set")


class Collector:
    """Takes pairs one by one. What it refuses once, it refuses for good."""

    def __init__(
        self, settings: CorpusSettings, *, similarity: Similarity, delta_key: DeltaKey
    ) -> None:
        self._settings = settings
        self._similarity = similarity
        self._delta_key = delta_key
        self._deltas: set[str] = set()
        self._groups: dict[str, str] = {}
        """Parents' sources, each with the first that was as good as the same."""
        self._counts: Counter[tuple[PairSource, str, str]] = Counter()
        self._of_parent: Counter[str] = Counter()
        self.pairs: list[Pair] = []

    def room(self, source: PairSource) -> int:
        """Return how many more pairs of a source are wanted."""
        return self._wanted(source) - self._counts[source, "all", ""]

    def refusal(self, pair: Pair) -> str:
        """Say why a pair is not taken; empty where it is."""
        if self._of_parent[self._group(pair)] >= self._settings.pairs_per_parent:
            return ENOUGH[0]
        for (source, kind, which), most in self._limits(pair).items():
            if self._counts[source, kind, which] >= most:
                return ENOUGH[1] if kind == "family" else ENOUGH[2]
        key = self._delta_key(pair.parent.source, pair.child)
        return SAME_DELTA if key in self._deltas else ""

    def take(self, pair: Pair) -> None:
        """Take a pair that is not refused."""
        self.pairs.append(pair)
        self._deltas.add(self._delta_key(pair.parent.source, pair.child))
        self._of_parent[self._group(pair)] += 1
        self._counts[pair.source, "all", ""] += 1
        self._counts.update(dict.fromkeys(self._limits(pair), 1))

    def _wanted(self, source: PairSource) -> int:
        wanted = {
            "store": self._settings.store_pairs,
            "lemur": self._settings.lemur_pairs,
            "mutation": self._settings.mutation_pairs,
        }
        return wanted[source]

    def _limits(self, pair: Pair) -> dict[tuple[PairSource, str, str], int]:
        """Return what a pair counts towards, and how much of it there may be."""
        if pair.source == "store":
            return {}
        wanted, source = self._wanted(pair.source), pair.source
        limits: dict[tuple[PairSource, str, str], int] = {}
        share = self._settings.max_family_share
        limits[source, "family", pair.family] = math.ceil(share * wanted)
        if source == "lemur":
            share = self._settings.max_dataset_share
            limits[source, "dataset", pair.dataset] = math.ceil(share * wanted)
        return limits

    def _group(self, pair: Pair) -> str:
        """Return the first parent that this one is as good as the same as, maybe itself."""
        mine = pair.parent.source
        if mine not in self._groups:
            firsts = dict.fromkeys(self._groups.values())
            alike = (each for each in firsts if self._similarity(mine, each) >= SAME_PROMPT)
            self._groups[mine] = next(alike, mine)
        return self._groups[mine]
