"""Measure the novelty check beside datasketch's LSH and a linear scan: cost, recall, memory.

Run it from the repository root, where the project is installed:

    python -m benchmarks.novelty                              # 1,000 and 20,000 architectures
    python -m benchmarks.novelty --sizes 1000 20000 200000    # four minutes, 1.5 GB
    python -m benchmarks.novelty --family 400 --no-peers      # ours alone, in denser families

The store has *families*: the baselines and mutants of them, one to six edits each, as the mutation
proposer makes them. The queries are other mutants of the same baselines. The rest of a store, up to
its size, are one-line programs of random names, near to nothing: a scan costs the same whatever it
reads, and their signatures are real.

Times are CPU milliseconds of one look-up, in one process, the ways alternating query by query;
what a query's source costs to parse and hash is not in them (the first table has it), and neither
is listing the store. Ours is the whole check, exact comparison included, asked a second time;
*first* is the first time, with what had to be read and hashed anew of the architectures that were
compared exactly. The peers have MinHash signatures of the
same scheme, and take the best estimate: `MinHashLSH(threshold)` with its default bands, and every
signature in turn.

*Found*: of the queries with an architecture at the threshold or above by exact comparison, those
that the way calls near-duplicates. *False*: of the others, those that it calls so. *Nearest*: of
all queries, those where the similarity of the named one is the greatest there is. *Bytes each*:
growth of the resident memory, over N; ours has the cache of the hash sets used last in it, 3 MB,
and the index, which a store in memory has there too. `benchmarks.novelty_opened` has it in a file.
"""

import argparse
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from datasketch import MinHash, MinHashLSH
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from deltanas_repo_store import fingerprints
from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.entries import BaselineEntry
from deltanas_repo_store.records import Architecture, ArchitectureId
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from deltanas_tools.novelty_check import THRESHOLD, Catalogue, NoveltyIndex
from deltanas_tools.novelty_check.shingles import hashes_of, jaccard, shingles
from deltanas_tools.novelty_check.signatures import signature_of
from deltanas_tools.novelty_check.twins import digest
from deltanas_tools.propose_delta.mutation.proposer import EDIT_WEIGHTS, mutate

if TYPE_CHECKING:
    from numpy.typing import NDArray

Hashes = dict[ArchitectureId, "NDArray[np.uint64]"]
Answer = tuple[ArchitectureId | None, float]
"""The nearest architecture, and the similarity that the way gives it."""


class Reader(Store):
    """A store in memory whose sources are at hand; its index is as any other's."""

    def __init__(self, sources: dict[ArchitectureId, str]) -> None:
        super().__init__(MemoryRepository())
        self._sources = sources
        add_rows(self, list(sources), [f"{number:040x}" for number in range(len(sources))])

    def get(self, architecture_id: ArchitectureId) -> Architecture:
        """Return an architecture."""
        return Architecture(source=self._sources[architecture_id], hparams={})


def add_rows(store: Store, ids: Sequence[str], trees: Sequence[str], first: int = 0) -> None:
    """Put baselines into a store's index, without the commits that it would find them in."""
    fingerprints.stamp(store)  # follows the refs once, so that nothing is changed after this
    entries = [
        BaselineEntry(id=ArchitectureId(each), name=f"n{number}", made=0)
        for number, each in enumerate(ids, start=first)
    ]
    store.index.write(
        "INSERT INTO architecture (ref, id, tree, name, status, made, entry) "
        "VALUES (?, ?, ?, ?, 'baseline', 0, ?)",
        [
            (f"refs/heads/baseline/{each.name}", each.id, tree, each.name, each.model_dump_json())
            for each, tree in zip(entries, trees, strict=True)
        ],
    )


@dataclass
class Measured:
    """One way to look up: its answers, and CPU milliseconds for each."""

    answers: list[Answer] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def ask(self, look_up: Callable[[], Answer]) -> None:
        """Look up once."""
        started = time.process_time()
        self.answers.append(look_up())
        self.times.append((time.process_time() - started) * 1000)


def mutants(sources: Iterable[str], count: int, seed: int) -> list[str]:
    """Return mutants of each source, with as many edits as the proposer makes."""
    found = []
    for source in sources:
        for number in range(count):
            rng = random.Random(f"{seed} {number} {source}")
            num_edits = rng.choices(range(1, len(EDIT_WEIGHTS) + 1), EDIT_WEIGHTS)[0]
            found.append(mutate(source, num_edits, rng)[0])
    return found


def one_liner(rng: random.Random) -> str:
    """Return a program of random names: some twenty shingles."""
    names = ", ".join(f"v{rng.getrandbits(32)}" for _ in range(10))
    return f"f{rng.getrandbits(32)}({names})"


def as_minhash(signature: "NDArray[np.uint32]") -> Any:
    """Wrap a signature for datasketch."""
    return MinHash(seed=1, hashvalues=signature, scheme="affine32", permutations=_PERMUTATIONS)


_PERMUTATIONS = MinHash(num_perm=128, seed=1, scheme="affine32").permutations


def linear(mine: "NDArray[np.uint32]", known: dict[ArchitectureId, "NDArray[np.uint32]"]) -> Answer:
    """Compare with one signature after the other."""
    nearest, similarity = None, 0.0
    for architecture_id, signature in known.items():
        near = int(np.count_nonzero(mine == signature)) / mine.size
        if nearest is None or near > similarity:
            nearest, similarity = architecture_id, near
    return nearest, similarity


def by_lsh(mine: Any, lsh: Any, known: dict[ArchitectureId, Any]) -> Answer:
    """Ask datasketch's index, and take the best estimate among what it names."""
    named = [(mine.jaccard(known[each]), each) for each in lsh.query(mine)]
    similarity, nearest = max(named, default=(0.0, None))
    return nearest, similarity


def resident_bytes() -> int:
    """Return the memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Result:
    """What one size of the store gave."""

    size: int
    ways: dict[str, Measured]
    bytes_each: dict[str, float]
    hashes: Hashes
    queries: "list[NDArray[np.uint64]]"
    best: list[float]


def measure(size: int, families: Sequence[str], queries: Sequence[str], peers: bool) -> Result:
    """Fill the ways with one store, and ask them all the queries."""
    rng = random.Random(size)
    texts = [*families, *(one_liner(rng) for _ in range(size - len(families)))]
    sources = {ArchitectureId(f"{number:040x}"): text for number, text in enumerate(texts)}
    reader = Reader(sources)
    before = resident_bytes()
    index = NoveltyIndex(Catalogue(reader))
    index.check("pass")
    bytes_each = {"ours": (resident_bytes() - before) / size}
    ways = {"ours, first": Measured(), "ours": Measured()}
    known: dict[ArchitectureId, NDArray[np.uint32]] = {}
    if peers:
        known = {each: signature_of(hashes_of(shingles(text))) for each, text in sources.items()}
        before = resident_bytes()
        lsh, wrapped = MinHashLSH(threshold=THRESHOLD, num_perm=128), {}
        for each, signature in known.items():
            wrapped[each] = as_minhash(signature)
            lsh.insert(each, wrapped[each])
        bytes_each["datasketch LSH"] = (resident_bytes() - before) / size
        ways |= {"datasketch LSH": Measured(), "linear scan": Measured()}
    family_hashes = {
        each: hashes_of(shingles(text)) for each, text in list(sources.items())[: len(families)]
    }
    asked, best = [], []
    for query in track(queries, f"{size} architectures"):
        mine = hashes_of(shingles(query))
        asked.append(mine)
        best.append(max(jaccard(mine, other) for other in family_hashes.values()))
        index.begin("query", query)  # parses it, and keeps the hashes for what follows
        index.end("query")
        for name in ("ours, first", "ours"):
            ways[name].ask(lambda query=query: _checked(index, query))  # type: ignore[misc]
        if peers:
            signature = signature_of(mine)
            sketch = as_minhash(signature)
            ways["datasketch LSH"].ask(lambda sketch=sketch: by_lsh(sketch, lsh, wrapped))  # type: ignore[misc]
            ways["linear scan"].ask(lambda signature=signature: linear(signature, known))  # type: ignore[misc]
    return Result(size, ways, bytes_each, family_hashes, asked, best)


def _checked(index: NoveltyIndex, query: str) -> Answer:
    report = index.check(query, num_neighbours=1)
    return report.nearest, report.similarity


def look_up_table(results: Sequence[Result]) -> Table:
    """Lay out what the ways found, and at what cost."""
    table = Table(title=f"Look-up at threshold {THRESHOLD}", box=box.MARKDOWN)
    columns = ("N", "way", "median ms", "p95 ms", "found", "false", "nearest", "bytes each")
    for column in columns:
        table.add_column(column, justify="left" if column == "way" else "right")
    for result in results:
        for name, way in result.ways.items():
            near = [best >= THRESHOLD for best in result.best]
            called = [similarity >= THRESHOLD for _, similarity in way.answers]
            right = [
                nearest in result.hashes and jaccard(mine, result.hashes[nearest]) == best
                for mine, best, (nearest, _) in zip(
                    result.queries, result.best, way.answers, strict=True
                )
            ]
            each = result.bytes_each.get(name)
            table.add_row(
                f"{result.size:,}",
                name,
                f"{statistics.median(way.times):.2f}",
                f"{statistics.quantiles(way.times, n=20)[-1]:.2f}",
                _of([c for c, n in zip(called, near, strict=True) if n]),
                _of([c for c, n in zip(called, near, strict=True) if not n]),
                _of(right),
                "" if each is None else f"{each:,.0f}",
            )
    return table


def _of(claims: Sequence[bool]) -> str:
    return f"{sum(claims)} of {len(claims)}"


def signature_table(sources: Sequence[str], rounds: int) -> Table:
    """Lay out what a candidate's own signature costs, the ways alternating."""
    texts = {source: shingles(source) for source in sources}

    def text_by_text(source: str) -> None:
        sketch = MinHash(num_perm=128, seed=1, scheme="affine32")
        for text in texts[source]:
            sketch.update(text.encode())

    def in_a_batch(source: str) -> None:
        sketch = MinHash(num_perm=128, seed=1, scheme="affine32")
        sketch.update_batch([text.encode() for text in texts[source]])

    ways: dict[str, Callable[[str], object]] = {
        "ours": lambda source: signature_of(hashes_of(texts[source])),
        "datasketch, update per shingle": text_by_text,
        "datasketch, update_batch": in_a_batch,
        "parse and shingle (not in the above)": shingles,
        "syntax-tree digest (not in the above)": digest,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            started = time.process_time()
            for source in sources:
                way(source)
            times[name].append((time.process_time() - started) / len(sources))
    middle = statistics.median(len(each) for each in texts.values())
    title = f"Signatures of {len(sources)} baselines, median {middle:.0f} shingles"
    table = Table("way", "CPU µs", "times ours", title=title, box=box.MARKDOWN)
    ours = statistics.median(times["ours"])
    for name, taken in times.items():
        value = statistics.median(taken)
        table.add_row(name, f"{value * 1e6:,.0f}", f"{value / ours:.1f}")
    return table


def edits_table(sources: Sequence[str], count: int) -> Table:
    """Lay out how near mutants of a few edits are to their parents, and to what else is there.

    The last columns leave the parent out, in stores with so many other mutants of each parent.
    """
    siblings = (0, 5, 50)
    table = Table(
        *("edits", "mutants", "p10", "median", "p90", "at 0.90 or above", "at 0.95 or above"),
        *(f"without, {each} siblings" for each in siblings),
        title="Exact similarity of mutants to their parents; at 0.90 or above without the parent",
        box=box.MARKDOWN,
    )
    parents = [hashes_of(shingles(each)) for each in sources]
    family = [
        [hashes_of(shingles(each)) for each in mutants([source], max(siblings), seed=0)]
        for source in sources
    ]
    for num_edits in range(1, 7):
        near: list[float] = []
        refused = dict.fromkeys(siblings, 0)
        for at, source in enumerate(sources):
            for seed in range(count):
                mine = hashes_of(shingles(mutate(source, num_edits, random.Random(seed))[0]))
                near.append(jaccard(mine, parents[at]))
                for number in siblings:
                    others = [*parents[:at], *parents[at + 1 :], *family[at][:number]]
                    refused[number] += max(jaccard(mine, each) for each in others) >= THRESHOLD
        tenths = statistics.quantiles(near, n=10)
        table.add_row(
            str(num_edits),
            str(len(near)),
            *(f"{value:.3f}" for value in (tenths[0], tenths[4], tenths[8])),
            *(f"{sum(each >= level for each in near) / len(near):.0%}" for level in (0.90, 0.95)),
            *(f"{each / len(near):.0%}" for each in refused.values()),
        )
    return table


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sizes", type=int, nargs="+", default=(1_000, 20_000))
    parser.add_argument("--family", type=int, default=50, help="stored mutants of each baseline")
    parser.add_argument("--queries", type=int, default=25, help="of each baseline")
    parser.add_argument("--rounds", type=int, default=7, help="of the signatures")
    parser.add_argument("--edits", type=int, default=25, help="mutants per count of edits, of each")
    parser.add_argument("--no-peers", action="store_true", help="measure ours alone")
    options = parser.parse_args()
    console = Console(width=120)
    parents = [each.source for each in baselines().values()]
    families = [*parents, *mutants(parents, options.family, seed=0)]
    queries = mutants(parents, options.queries, seed=1)
    if min(options.sizes) < len(families):
        parser.error(f"a size is below the {len(families)} of the families")
    console.print(
        f"{len(families)} sources in families, {len(queries)} queries; "
        f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}"
    )
    console.print(signature_table(parents, options.rounds))
    console.print(edits_table(parents, options.edits))
    peers = not options.no_peers
    console.print(look_up_table([measure(n, families, queries, peers) for n in options.sizes]))


if __name__ == "__main__":
    main()
