"""Measure what a kept catalogue costs to open, to hold and to ask, beside datasketch's LSH.

Run it from the repository root, where the project is installed:

    python -m benchmarks.novelty_opened                      # 20,000 and 200,000 architectures
    python -m benchmarks.novelty_opened 200000 1000000       # two minutes, 3 GB of disk

The stores have random signatures that an earlier process kept, and each way opens them in a process
of its own. *Open* is what it costs until the first question can be answered. A question is all of a
check but for parsing the candidate and the exact comparisons, which `benchmarks.novelty` has: a
look at the refs, the ranking, the names of the nearest, the search for a twin. datasketch keeps
nothing: its index is filled from the same signatures and asked for candidates. *Bytes each*: growth
of the resident memory, over N.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from datasketch import MinHashLSH
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.novelty import add_rows, as_minhash, by_lsh, resident_bytes
from deltanas_repo_store import fingerprints
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.store import Store
from deltanas_tools.novelty_check import THRESHOLD, Catalogue
from deltanas_tools.novelty_check.catalogue import TEXTS


def make_kept(path: Path, size: int) -> None:
    """Make a store whose index has random signatures."""
    create_repository(path)
    store = Store(GitRepository(path))
    rng = np.random.default_rng(0)
    for at in track(range(0, size, 10_000), f"{size} random signatures"):
        count = min(10_000, size - at)
        # As in a store, where they are hashes: in no order.
        ids, trees = ([rng.bytes(20).hex() for _ in range(count)] for _ in range(2))
        known = [(tree, rng.bytes(32).hex(), rng.bytes(512)) for tree in trees]
        add_rows(store, ids, trees, first=at)
        fingerprints.put(store, TEXTS, known, up_to=at + count)
    store.close()


def open_kept(way: str, path: Path, num_queries: int = 100) -> None:
    """Open a kept catalogue in this process, ask it, and print the figures as JSON."""
    rng = np.random.default_rng(1)
    queries = rng.integers(0, 2**32, (num_queries, 128), dtype=np.uint32)
    store = Store(GitRepository(path))
    fingerprints.stamp(store)
    catalogue, lsh = Catalogue(store), MinHashLSH(threshold=THRESHOLD, num_perm=128)
    before, wall, started = resident_bytes(), time.perf_counter(), time.process_time()
    known: dict[ArchitectureId, Any] = {}
    if way == "ours":
        catalogue.refresh()
    else:
        for some in fingerprints.data_after(store, TEXTS, 0):
            for number, data in some:
                name = ArchitectureId(f"{number:040x}")
                known[name] = as_minhash(np.frombuffer(data, dtype=np.uint32))
                lsh.insert(name, known[name])
    opened = time.process_time() - started, time.perf_counter() - wall
    each = (resident_bytes() - before) / (len(catalogue.signatures) or len(known))
    times = []
    for query in queries:
        started = time.process_time()
        if way == "ours":
            catalogue.refresh()
            rows, _ = catalogue.signatures.ranked(query)
            numbers = catalogue.signatures.numbers[rows[:16]].tolist()
            fingerprints.ids_at(store, numbers)
            fingerprints.with_key(store, TEXTS, "0" * 64)
        else:
            by_lsh(as_minhash(query), lsh, known)
        times.append((time.process_time() - started) * 1000)
    store.close()
    figures = [*opened, statistics.median(times), statistics.quantiles(times, n=20)[-1], each]
    sys.stdout.write(json.dumps(figures))


def opened_table(sizes: Sequence[int]) -> Table:
    """Lay out what opening a kept catalogue costs, and what a question then does."""
    table = Table(title="Opened", box=box.MARKDOWN)
    columns = ("N", "way", "open, CPU s", "wall s", "median ms", "p95 ms", "bytes each")
    for column in columns:
        table.add_column(column, justify="left" if column == "way" else "right")
    for size in sizes:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "store"
            make_kept(path, size)
            # Filling datasketch's with a million takes minutes and 4 GB.
            for way in ("ours", "datasketch LSH") if size <= 200_000 else ("ours",):
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.novelty_opened",
                    "--open",
                    way,
                    str(path),
                ]
                answer = subprocess.run(command, check=True, capture_output=True, text=True)
                figures = json.loads(answer.stdout)
                words = [f"{value:.2f}" for value in figures[:4]]
                table.add_row(f"{size:,}", way, *words, f"{figures[4]:,.0f}")
    return table


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("sizes", type=int, nargs="*", default=(20_000, 200_000))
    parser.add_argument("--open", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.open:
        open_kept(options.open[0], Path(options.open[1]))
        return
    console = Console(width=120)
    console.print(f"Python {platform.python_version()}, NumPy {np.__version__}")
    console.print(opened_table(options.sizes))


if __name__ == "__main__":
    main()
