"""Fill a store with a million candidates, and measure what grows, at 10 k, 100 k, 300 k and 1 M.

Run it from the repository root, where the project is installed:

    python -m benchmarks.million --folder /tmp/million                     # 30 minutes of CPU, 4 GB
    python -m benchmarks.million --folder /tmp/million --candidates 300000

The candidates are synthetic (`benchmarks.synthetic_store`), the objects, refs and records real:
written with the library's own functions, 10,000 to a pack and to a ref transaction; the refs are
packed after each, and everything is maintained after five, and at the end. The library writes loose
objects, from which its maintenance makes deltas of text; git never looks for deltas within a pack,
so that each pack is packed once more here, with a window of 10 instead of 50. Started again it goes
on where it was; the figures are kept in ``figures.jsonl`` in the folder, and printed as a Markdown
table whenever a row is added.
"""

import argparse
import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from benchmarks.cpu_time import Stopwatch, children_seconds, ended_seconds
from benchmarks.synthetic_store import DATASETS, PER_RUN, Search
from deltanas_repo_store.entries import KEPT
from deltanas_repo_store.queries import Wanted, ancestors, leaderboard, newest
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.repository import RefChange
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.repository.objects import GitObject
from deltanas_repo_store.store import Store

BATCH = 10_000
MARKS = (10_000, 100_000, 300_000, 1_000_000)
MAINTAINED_EVERY = 50_000
NUM_RECORDED = 60
"""Candidates recorded one by one at each mark; they stay in the store."""
NUM_ASKED = 40

Figures = dict[str, float]


def say(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def opened(folder: Path) -> GitRepository:
    """Open the store in the folder, or make it."""
    path = folder / "store"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        create_repository(path)
    return GitRepository(path)


def begin(repository: GitRepository) -> Search:
    """Return a search that goes on after the last whole batch; a batch is there or is not."""
    search = Search()
    if repository.ref(search.root_refs[0].ref) is None:
        repository.write_pack(search.root_objects)
        repository.update(search.root_refs)
    while repository.ref(f"{KEPT}run-{search.count // PER_RUN:04d}/c01-001") is not None:
        search.count += BATCH
    return search


def deltified(path: Path, objects: list[GitObject]) -> None:
    """Pack the newest pack once more, with deltas between objects of the same place."""
    packs = path / "objects" / "pack"
    old = set(packs.glob("*.pack"))
    names = {each.id: at % (len(objects) // BATCH) for at, each in enumerate(objects)}
    made = subprocess.run(
        [
            *("git", "-C", str(path), "pack-objects", "-q", "--no-reuse-delta", "--window=10"),
            *("--threads=1", str(packs / "pack")),
        ],
        input="".join(f"{id_} {name}\n" for id_, name in names.items()),
        text=True,
        check=True,
        capture_output=True,
    ).stdout.strip()
    newest = max(old, key=lambda each: each.stat().st_mtime_ns)
    if newest.stem != f"pack-{made}":
        for suffix in (".idx", ".rev", ".pack"):
            newest.with_suffix(suffix).unlink(missing_ok=True)


def maintained(repository: GitRepository) -> Figures:
    """Maintain; return the CPU seconds that git took for each step."""
    begun: list[tuple[str, float]] = []
    repository.maintain(lambda what: begun.append((what, ended_seconds())))
    begun.append(("", ended_seconds()))
    return {what: end - start for (what, start), (_, end) in itertools.pairwise(begun)}


def grow(repository: GitRepository, search: Search, size: int) -> Figures:
    """Write batches until there are ``size`` candidates; return what each part took.

    While git works on a batch, the next is made; so each thread counts its own time.
    """
    spent: Figures = {}

    def note(parts: Figures) -> None:
        for name, value in parts.items():
            spent[name] = spent.get(name, 0.0) + value

    with ThreadPoolExecutor(1) as worker:
        at_work: Future[Figures] | None = None
        while search.count < size:
            started = time.thread_time()
            batch = search.batch(BATCH)
            note({"make": time.thread_time() - started})
            if at_work is not None:
                note(at_work.result())
            whole = search.count % MAINTAINED_EVERY == 0 or search.count >= size
            at_work = worker.submit(write, repository, *batch, whole)
        if at_work is not None:
            note(at_work.result())
    return spent


def write(
    repository: GitRepository, objects: list[GitObject], changes: list[RefChange], whole: bool
) -> Figures:
    """Write a batch and pack the refs; with ``whole``, maintain everything. Returns CPU seconds."""
    begun = time.perf_counter()
    parts: Figures = {}
    path = repository.path
    steps: dict[str, Callable[[], object]] = {
        "pack": lambda: repository.write_pack(objects),
        "deltas": lambda: deltified(path, objects),
        "refs": lambda: repository.update(changes),
        "pack-refs": lambda: git_seconds(path, "pack-refs", "--all"),
    }
    for name, step in steps.items():
        with Stopwatch(time.thread_time) as watch:
            step()
        parts[name] = watch.cpu
    repository.close()  # the process that has seen so large a transaction keeps its memory
    if whole:
        parts |= {f"maintain {name}": value for name, value in maintained(repository).items()}
    shown = ", ".join(f"{name} {value:.1f}" for name, value in parts.items())
    say(f"{changes[-1].ref}: {time.perf_counter() - begun:.1f} s; CPU {shown}")
    return parts


def folder_bytes(folder: Path) -> int:
    """Return the bytes of the files in a folder."""
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def git_seconds(path: Path, *arguments: str) -> tuple[float, float]:
    """Run git; return CPU and wall seconds."""
    with Stopwatch() as watch:
        subprocess.run(
            ["git", "-C", str(path), *arguments],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return watch.cpu, watch.wall


def measured(folder: Path, count: int, *, clone: bool) -> Figures:
    """Measure the store as it is, and record a few candidates in it."""
    path = folder / "store"
    figures: Figures = {"candidates": count}
    repository = GitRepository(path)
    with Stopwatch() as watch:
        left = repository.maintain()
    figures |= {
        "maintain, nothing new, CPU s": watch.cpu,
        "packed MB": left.bytes / 1e6,
        "bytes each": left.bytes / count,
        "packs": left.packs,
        "packed-refs MB": (path / "packed-refs").stat().st_size / 1e6,
    }
    cpu, wall = git_seconds(path, "for-each-ref", "--format=%(refname) %(objectname)")
    figures |= {"for-each-ref CPU s": cpu, "for-each-ref wall s": wall}
    figures["git log -n 100 CPU s"] = git_seconds(path, "log", "--all", "-n", "100", "--oneline")[0]
    repository.close()
    store = Store(GitRepository(path))
    with Stopwatch() as watch:
        store.index.rebuild()
    figures |= {"rebuild CPU s": watch.cpu, "rebuild wall s": watch.wall}
    store.close()
    figures["index MB"] = folder_bytes(path / "deltanas") / 1e6
    time.sleep(1.2)
    Store(GitRepository(path)).index.rows("SELECT 1")
    with Stopwatch() as watch:
        store = Store(GitRepository(path))
        store.index.rows("SELECT 1")
    figures["open and look, CPU ms"] = watch.cpu * 1000
    figures |= questions(store)
    figures |= recorded(store, path, count)
    store.close()
    if clone:
        target = folder / "clone"
        cpu, wall = git_seconds(folder, "clone", "-q", "--mirror", f"file://{path}", str(target))
        figures |= {"clone CPU s": cpu, "clone wall s": wall}
        figures["clone bytes each"] = folder_bytes(target) / count
        shutil.rmtree(target)
    return figures


def questions(store: Store) -> Figures:
    """Ask what people ask; return 95th percentiles in ms of CPU, look at the refs included."""
    rng = random.Random(0)
    runs = [f"run-{number:04d}" for number in range(10)]
    ids = store.index.rows("SELECT id FROM architecture WHERE name LIKE '%/c12-0%' LIMIT 400")
    asked: dict[str, Callable[[], object]] = {
        "leaderboard": lambda: leaderboard(store, Wanted(dataset=rng.choice(DATASETS))),
        "leaderboard, under 100 k": lambda: leaderboard(
            store, Wanted(dataset=rng.choice(DATASETS), max_params=100_000)
        ),
        "leaderboard of a run": lambda: leaderboard(store, Wanted(run=rng.choice(runs))),
        "Pareto front": lambda: leaderboard(store, Wanted(dataset="cifar10", pareto=True)),
        "newest": lambda: newest(store),
        "ancestors": lambda: ancestors(store, ArchitectureId(str(rng.choice(ids)[0]))),
        "nothing changed": lambda: store.index.rows("SELECT 1"),
    }
    figures: Figures = {}
    for name, ask in asked.items():
        times = []
        for _ in range(NUM_ASKED):
            with Stopwatch() as watch:
                ask()
            times.append(watch.cpu * 1000)
        figures[f"{name}, p95 ms"] = statistics.quantiles(times, n=20)[-1]
    return figures


def recorded(store: Store, path: Path, count: int) -> Figures:
    """Record candidates one by one; return medians in ms of CPU."""
    search, times, in_git = Search(f"probe{count}"), [], []
    search.record(store)  # starts the processes
    for _ in range(NUM_RECORDED):
        before = children_seconds()
        with Stopwatch() as watch:
            search.record(store)
        in_git.append((children_seconds() - before) * 1000)
        times.append(watch.cpu * 1000)
    outcome = search.next()
    store.reserve(outcome.pending)
    # A pending ref that maintenance has packed can only go with the whole file.
    with Stopwatch() as packing:
        subprocess.run(["git", "-C", str(path), "pack-refs", "--all"], check=True)
    with Stopwatch() as watch:
        search.kept(outcome, store.finish(outcome))
    with Stopwatch() as looking:
        store.index.rows("SELECT 1")
    return {
        "record, CPU ms": statistics.median(times),
        "of it git, two transactions, CPU ms": statistics.median(in_git),
        "record, p95 ms": statistics.quantiles(times, n=20)[-1],
        "pack-refs, CPU s": packing.cpu,
        "finish, pending ref packed, CPU ms": watch.cpu * 1000,
        "first question after pack-refs, CPU s": looking.cpu,
    }


def table(rows: list[Figures]) -> str:
    """Lay the figures out, a column for each mark."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["", "| |" + "".join(f" {row['candidates']:,.0f} |" for row in rows)]
    lines.append("|---|" + "---:|" * len(rows))
    for name in names[1:]:
        cells = ["" if name not in row else _short(row[name]) for row in rows]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _short(value: float) -> str:
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def main() -> None:
    """Fill and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--candidates", type=int, default=MARKS[-1])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--clone-up-to", type=int, default=300_000)
    options = parser.parse_args()
    file = options.folder / "figures.jsonl"
    repository = opened(options.folder)
    version = subprocess.check_output(["git", "--version"], text=True)
    say(f"{options.folder}, {os.cpu_count()} CPUs, {version}")
    search = begin(repository)
    for mark in [each for each in MARKS if each < options.candidates] + [options.candidates]:
        rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        if any(row["candidates"] == mark for row in rows):
            continue
        before = search.count
        spent = grow(repository, search, mark)
        costs = {
            f"{name}, CPU ms each": value * 1000 / max(1, search.count - before)
            for name, value in spent.items()
        }
        row = measured(options.folder, mark, clone=mark <= options.clone_up_to) | costs
        with file.open("a") as figures:
            figures.write(json.dumps(row) + "\n")
        say(table([*rows, row]))


if __name__ == "__main__":
    main()
