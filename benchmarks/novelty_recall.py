"""Recall of novelty_check on real networks, against the exact similarity to every one of them.

    pip download --no-deps nn-dataset==2.1.2
    deltanas init lemur-store && deltanas import lemur nn_dataset-2.1.2-*.whl --store lemur-store
    python -m benchmarks.novelty_recall --store lemur-store

Every network of the store is a candidate; those asked about are a sample. Exact similarities come
from all sets of shingles, by counting what each pair has in common.
"""

import argparse
import random
import sys
import time
from pathlib import Path

import numpy as np

from deltanas_repo_store.errors import BuildError
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.repository.git import GitRepository
from deltanas_repo_store.store import Store
from deltanas_tools.novelty_check import Catalogue, NoveltyIndex
from deltanas_tools.novelty_check.shingles import hashes_of, shingles


class Exact:
    """The similarities of a set to all sets, by the postings of its members."""

    def __init__(self, sets: list["np.ndarray[tuple[int], np.dtype[np.uint64]]"]) -> None:
        """Sort all members of all sets."""
        self._sizes = np.array([each.size for each in sets])
        members = np.concatenate(sets)
        owners = np.repeat(np.arange(len(sets)), self._sizes)
        order = np.argsort(members, kind="stable")
        self._members, self._owners = members[order], owners[order]
        self._sets = sets

    def nearest(self, row: int) -> float:
        """Return the similarity of a set to the nearest other one."""
        mine = self._sets[row]
        first = np.searchsorted(self._members, mine, "left")
        last = np.searchsorted(self._members, mine, "right")
        hits = np.concatenate([self._owners[a:b] for a, b in zip(first, last, strict=True)])
        common = np.bincount(hits, minlength=len(self._sets))
        similarities = common / (mine.size + self._sizes - common)
        similarities[row] = 0.0
        return float(similarities.max())


def say(text: str) -> None:
    """Print it."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    store = Store(GitRepository(options.store))
    catalogue = Catalogue(store)
    began = time.process_time()
    catalogue.fill()
    say(f"filled in {time.process_time() - began:.1f} CPU s")
    ids, sets, sources = _read(store)
    exact = Exact(sets)
    rows = random.Random(options.seed).sample(range(len(ids)), min(options.queries, len(ids)))
    index = NoveltyIndex(catalogue)
    say(
        "\n| threshold | at it or above | found | false | nearest is exact |\n|---|---|---|---|---|"
    )
    answers = []
    for row in rows:
        report = index.check(sources[row], leave_out=ids[row], num_neighbours=1)
        answers.append((exact.nearest(row), report.similarity))
    for threshold in (0.85, 0.90, 0.95):
        near = [found for truth, found in answers if truth >= threshold]
        far = [found for truth, found in answers if truth < threshold]
        right = sum(abs(truth - found) < 1e-9 for truth, found in answers)
        say(
            f"| {threshold:.2f} | {len(near)} of {len(answers)} | "
            f"{sum(found >= threshold for found in near)} of {len(near)} | "
            f"{sum(found >= threshold for found in far)} of {len(far)} | "
            f"{right} of {len(answers)} |"
        )
    store.close()


def _read(
    store: Store,
) -> tuple[list[ArchitectureId], list["np.ndarray[tuple[int], np.dtype[np.uint64]]"], list[str]]:
    ids, sets, sources = [], [], []
    for entry in store.baselines():
        source = store.get(entry.id).source
        try:
            sets.append(hashes_of(shingles(source)))
        except BuildError:
            continue
        ids.append(entry.id)
        sources.append(source)
    return ids, sets, sources


if __name__ == "__main__":
    main()
