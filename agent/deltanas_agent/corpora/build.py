"""Builds a corpus: finds pairs, builds them, takes what there is room for, and splits."""

from collections import Counter
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from deltanas_agent.corpora.builds import Builds, Stopped, in_order
from deltanas_agent.corpora.kept import kept_pairs
from deltanas_agent.corpora.mutants import mutant_pairs
from deltanas_agent.corpora.neighbours import lemur_pairs
from deltanas_agent.corpora.networks import held_out_networks, mutated_networks
from deltanas_agent.corpora.similarity import Similarity, delta_key
from deltanas_agent.trainers import Trainers
from deltanas_repo_store.records import Record
from deltanas_tools.finetune_lora.corpus import (
    GENERATED,
    RELATED,
    Collector,
    Corpus,
    CorpusSettings,
    Network,
    Pair,
    PairSource,
    Provenance,
    family_of,
    split_by_lineage,
)
from deltanas_tools.finetune_lora.corpus.collector import SAME_DELTA
from deltanas_tools.novelty_check import Catalogue

PACKAGES = ("deltanas-mcp", "torch")

Progress = Callable[[str, int, int], None]
"""What is under way, how much of it is done, and of how much."""


class Cancelled(Record):
    """A corpus whose building was stopped; the same call goes on from what was built."""

    num_pairs: int
    """How many pairs were found."""


def build_corpus(
    catalogue: Catalogue,
    settings: CorpusSettings,
    trainers: Trainers,
    *,
    builds: Path,
    progress: Progress = lambda what, done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Corpus | Cancelled:
    """Find what a proposer can learn from in a store.

    The same store and settings give the same corpus, however many build side by side.

    Args:
        catalogue: Of the store.
        settings: What is wanted.
        trainers: Where networks are built.
        builds: A file that keeps what was built, for this corpus and for others.
        progress: Is told of every pair that is taken.
        cancelled: Is asked before every build.

    Raises:
        ConfigError: a held-out network is not in the store or builds nowhere, or ``builds``
            cannot be read or written.
        SandboxError: nothing can be run safely here.
    """
    work = _Work(catalogue, settings, Builds(builds, trainers, cancelled), progress)
    try:
        return work.corpus()
    except Stopped:
        return Cancelled(num_pairs=len(work.collector.pairs))


class _Work:
    """One corpus under way."""

    def __init__(
        self,
        catalogue: Catalogue,
        settings: CorpusSettings,
        builds: Builds,
        progress: Progress,
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._builds = builds
        self._progress = progress
        self._similarity = Similarity()
        self._held_out: list[Network] = []
        self._left_out: dict[PairSource, Counter[str]] = {
            "store": Counter(),
            "lemur": Counter(),
            "mutation": Counter(),
        }
        self.collector = Collector(settings, similarity=self._similarity, delta_key=delta_key)

    def corpus(self) -> Corpus:
        settings = self._settings
        self._held_out = self._told(
            "held-out networks",
            held_out_networks(self._catalogue.store, settings, self._builds, self._similarity),
            len(settings.held_out) + settings.held_out_sample,
        )
        self._collect("store", self._kept)
        self._collect("lemur", self._neighbours)
        self._collect("mutation", self._mutants)
        pairs = self.collector.pairs
        sources = [pair.parent.source for pair in pairs] + [pair.child for pair in pairs]
        sources += [each.architecture.source for each in self._held_out]
        related = self._similarity.related([*dict.fromkeys(sources)], RELATED)
        return Corpus(
            pairs=split_by_lineage(pairs, self._held_out, related),
            held_out=tuple(self._held_out),
            provenance=Provenance(
                settings=settings,
                left_out={
                    source: dict(sorted(counts.items()))
                    for source, counts in self._left_out.items()
                },
                versions={package: version(package) for package in PACKAGES},
            ),
        )

    def _collect(self, source: PairSource, drafts: Callable[[], Iterator[Pair]]) -> None:
        """Take pairs of a source until there are enough, or there are no more."""
        wanted = self.collector.room(source)
        if not wanted:
            return
        self._progress(source, 0, wanted)
        welcome = (pair for pair in drafts() if self._is_welcome(pair))
        built = in_order(welcome, self._builds.begin_pair, ahead=len(self._builds))
        for pair, problem in built:
            if problem:
                self._left_out[source][problem] += 1
            elif self._is_welcome(pair):
                self.collector.take(pair)
                room = self.collector.room(source)
                self._progress(source, wanted - room, wanted)
                if not room:
                    built.close()
                    return

    def _is_welcome(self, pair: Pair) -> bool:
        refusal = self.collector.refusal(pair)
        if refusal == SAME_DELTA:
            self._left_out[pair.source][refusal] += 1
        return not refusal

    def _kept(self) -> Iterator[Pair]:
        return kept_pairs(self._catalogue.store, self._settings, self._left_out["store"])

    def _neighbours(self) -> Iterator[Pair]:
        self._catalogue.fill(self._progress)
        return lemur_pairs(
            self._catalogue,
            self._settings,
            self._similarity,
            is_relative=self._is_relative,
            left_out=self._left_out["lemur"],
        )

    def _mutants(self) -> Iterator[Pair]:
        networks = mutated_networks(
            self._catalogue.store,
            self._settings,
            self._builds,
            held_out=self._held_out,
            is_relative=self._is_relative,
            left_out=self._left_out["mutation"],
        )
        mutated = self._told("networks to mutate", networks, self._settings.mutated_networks)
        return mutant_pairs([*self._held_out, *mutated], self._settings, self._left_out["mutation"])

    def _told(self, what: str, networks: Iterator[Network], wanted: int) -> list[Network]:
        """Return networks, and say how many there are as they come."""
        found: list[Network] = []
        for network in networks:
            found.append(network)
            self._progress(what, len(found), wanted)
        return found

    def _is_relative(self, name: str, source: str) -> bool:
        """Tell whether a network is related to a held-out one."""
        family = family_of(name)
        return any(
            (each.family == family and family not in GENERATED)
            or self._similarity(source, each.architecture.source) >= RELATED
            for each in self._held_out
        )
