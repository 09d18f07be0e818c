"""Measure the store beside git's own ways: recording, import, maintenance, index, questions.

Run it from the repository root, where the project and its ``dev`` extra are installed:

    python -m benchmarks.store                               # 15 minutes, 3 GB of /dev/shm
    python -m benchmarks.store --folder /tmp                 # on a disk: what fsync costs
    python -m benchmarks.store --candidates 2000 --questions 0 --rounds 3

The candidates are synthetic (`benchmarks.synthetic_store`). Stores are filled a thousand
candidates at a time, as loose objects and one ref transaction, and maintained after each thousand,
as the library does by itself. Times are CPU milliseconds, git processes included, medians of
rounds in which the ways alternate.
"""

import argparse
import os
import platform
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.cpu_time import Stopwatch
from benchmarks.store_peers import (
    AllObjects,
    GitPythonPorcelain,
    OursAlike,
    Peer,
    Porcelain,
    TwoFiles,
    baseline_commits,
    fast_import,
    run,
    work_tree,
)
from benchmarks.store_questions import question_table
from benchmarks.synthetic_store import Search, edited, fill
from deltanas_repo_store.bulk import import_baselines
from deltanas_repo_store.records import Architecture, ArchitectureId, Kept
from deltanas_repo_store.reported import NewBaseline
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.repository.ref_state import SETTLED_SECONDS
from deltanas_repo_store.store import Store

SLICE = 1000
PER_ROUND = 10
"""Candidates that each way records in a round."""
FEW = 100
"""Candidates in the small stores."""
MIDDLE = 2000
MANY_BATCH = 5000
NUM_ASKED = 100
LIST_REFS = ["for-each-ref", "--format=%(refname) %(objectname)"]


def median_text(values: Iterable[float], digits: int = 2) -> str:
    """Return the median as text."""
    return f"{statistics.median(values):,.{digits}f}"


def table(title: str, *columns: str) -> Table:
    """Return a table whose first column is words, and the others numbers."""
    made = Table(title=title, box=box.MARKDOWN)
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number else "left")
    return made


def new_store(path: Path) -> Store:
    """Make a store with the baselines."""
    create_repository(path)
    repository = GitRepository(path)
    fill(repository, Search(), 0)
    return Store(repository)


def filled(path: Path, size: int, kept: dict[int, Path]) -> tuple[Store, list[Stopwatch]]:
    """Fill a store slice by slice; copy it at the sizes in ``kept``. Returns what maintenance took.

    The objects are written loose, as `Store.finish` does, so that maintenance has as much to do.
    """
    new_store(path).close()
    repository, search, watches = GitRepository(path), Search(), list[Stopwatch]()
    while search.count < size:
        objects, changes = search.batch(min(SLICE, size - search.count))
        repository.write({each.id: each for each in objects}.values())
        repository.update(changes)
        with Stopwatch() as watch:
            repository.maintain()
        watches.append(watch)
        if search.count in kept:
            shutil.copytree(path, kept[search.count])
    store = Store(repository)
    store.index.rebuild()
    store.index.close()  # which empties SQLite's log into the file
    return store, watches


# Recording


class Ours:
    """`Store.reserve` and `Store.finish`, the index kept up to date."""

    def __init__(self, path: Path) -> None:
        self._store = Store(GitRepository(path))
        self._store.index.rows("SELECT 1")

    def record(self, outcome: Kept) -> str:
        """Record a candidate."""
        self._store.reserve(outcome.pending)
        return self._store.finish(outcome)


class Place:
    """A way to record, in a repository of some size."""

    def __init__(self, name: str, size: str, path: Path, peer: Callable[[Path], Peer]) -> None:
        self.name, self.size, self.times = name, size, list[float]()
        self._peer, self._search = peer(path), Search("probe")
        for root in self._search.roots:
            command = ["git", "-C", str(path), "rev-parse", f"refs/heads/baseline/{root.name}"]
            root.id = ArchitectureId(subprocess.check_output(command, text=True).strip())

    def record(self) -> None:
        """Record a candidate, and note the time."""
        outcome = self._search.next()
        with Stopwatch() as watch:
            made = self._peer.record(outcome)
        self.times.append(watch.cpu * 1000)
        self._search.kept(outcome, made)


OURS = "ours: slot, 6 objects, 2 refs, index"
PEERS: dict[str, Callable[[Path], Peer]] = {
    "ours: 2 files, a commit, a branch": OursAlike,
    "git checkout -b, add, commit": Porcelain,
    "GitPython: create_head, checkout, index": GitPythonPorcelain,
    "pygit2: 2 files, a commit, a branch": TwoFiles,
    "pygit2: the objects and refs of ours": AllObjects,
}


def record_table(places: Sequence[Place], rounds: int) -> Table:
    """Let every way record candidates in turn, in a repository of each size."""
    for _ in track(range(rounds), "recording"):
        for place in places:
            for _ in range(PER_ROUND):
                place.record()
    sizes = list(dict.fromkeys(place.size for place in places))
    middles = {(each.name, each.size): statistics.median(each.times) for each in places}
    full = sizes[2]
    made = table("One candidate, CPU ms", "way", *sizes, "growth", "times ours")
    for name in dict.fromkeys(place.name for place in places):
        cells = [f"{middles[name, at]:.2f}" if (name, at) in middles else "" for at in sizes]
        last = middles[name, full]
        growth, against = last / middles[name, sizes[0]], last / middles[OURS, full]
        made.add_row(name, *cells, f"{growth:.2f}", f"{against:.1f}")
    return made


def contest(folder: Path, size: int, rounds: int, middle: Path, full: Path) -> Table:
    """Make the repositories, and record in them."""
    small, loose = folder / "small", folder / "loose"
    new_store(small).close()
    with_loose_refs = new_store(loose)
    fill(with_loose_refs.repository, Search(), size)
    with_loose_refs.close()
    sizes = [f"first {FEW}", f"{MIDDLE:,}", f"{size:,}", f"{size:,}, refs loose"]
    ours = zip(sizes, (small, middle, full, loose), strict=True)
    places = [Place(OURS, at, path, Ours) for at, path in ours]
    for name, peer in PEERS.items():
        for at, count in ((sizes[0], FEW), (sizes[2], size)):
            path = folder / f"{peer.__name__}-{count}"
            work_tree(path, count)
            places.append(Place(name, at, path, peer))
    return record_table(places, rounds)


# Importing


def import_table(folder: Path, size: int, rounds: int) -> Table:
    """Import networks in bulk, by our pack and by git fast-import."""
    rng, lines = random.Random(0), Search().roots
    networks = {
        f"network-{number:05d}": Architecture(
            source=edited(rng.choice(lines).lines, rng)[0] + f"# {number}\n", hparams={"lr": 0.1}
        )
        for number in range(size)
    }
    batch = [NewBaseline(name=name, architecture=each) for name, each in networks.items()]
    ways: dict[str, list[float]] = {"ours": [], "git fast-import": []}
    for number in range(rounds):
        store = new_store(folder / f"ours-{number}")
        store.index.rows("SELECT 1")
        with Stopwatch() as watch:
            for at in range(0, size, SLICE):
                import_baselines(store, batch[at : at + SLICE])
        ways["ours"].append(watch.cpu * 1000 / size)
        path = folder / f"fast-{number}"
        run(["git", "init", "-q", "--bare", str(path)])
        with Stopwatch() as watch:
            fast_import(path, baseline_commits(networks))
        ways["git fast-import"].append(watch.cpu * 1000 / size)
    made = table(f"Import of {size:,} networks", "way", "CPU ms each")
    made.add_row("ours: pack, refs and index, in thousands", median_text(ways["ours"]))
    made.add_row("git fast-import of the same commits", median_text(ways["git fast-import"]))
    return made


# Maintenance and git


def maintenance_tables(path: Path, watches: Sequence[Stopwatch], size: int) -> list[Table]:
    """Lay out what maintenance took and left, and what git's own commands take on it."""
    packs = sum(each.stat().st_size for each in (path / "objects").rglob("*") if each.is_file())
    refs = (path / "packed-refs").stat().st_size
    index = (path / "deltanas" / "index.sqlite").stat().st_size
    left = table("Maintenance", "what", "value")
    late = watches[len(watches) // 2 :]
    left.add_row("a thousand candidates, CPU s, median", median_text(each.cpu for each in watches))
    left.add_row("… the second half of them", median_text(each.cpu for each in late))
    left.add_row("… the longest", f"{max(each.cpu for each in watches):.2f}")
    left.add_row("wall s, median", median_text(each.wall for each in watches))
    left.add_row("bytes of a candidate: objects, with their index", f"{packs / size:,.0f}")
    left.add_row("… packed refs", f"{refs / size:,.0f}")
    left.add_row("… SQLite index, not counted", f"{index / size:,.0f}")
    target = path.with_name("copy")
    empty = ["git", "init", "-q", "--bare", str(target)]
    commands: dict[str, tuple[list[str], list[str]]] = {
        "log -n 100": (
            [],
            ["log", "-n", "100", "--format=%h %s", "refs/heads/delta/run-0003/c20-001"],
        ),
        "log -n 100 --all": ([], ["log", "-n", "100", "--oneline", "--all"]),
        "log --graph --all": ([], ["log", "--graph", "--oneline", "--all"]),
        "branch --list": ([], ["branch", "--list"]),
        "for-each-ref": ([], LIST_REFS),
        "clone --mirror": ([], ["clone", "-q", "--mirror", f"file://{path}", str(target)]),
        "push --mirror, to an empty one": (empty, ["push", "-q", "--mirror", f"file://{target}"]),
        "fsck --strict": ([], ["fsck", "--strict", "--no-progress"]),
    }
    times = table("git itself", "command", "CPU s", "wall s")
    for name, (before, arguments) in commands.items():
        taken = []
        for _ in range(3):
            shutil.rmtree(target, ignore_errors=True)
            if before:
                run(before)
            with Stopwatch() as watch:
                run(["git", "-C", str(path), *arguments])
            taken.append(watch)
        shutil.rmtree(target, ignore_errors=True)
        middles = [median_text((getattr(each, of) for each in taken), 3) for of in ("cpu", "wall")]
        times.add_row(name, *middles)
    return [left, times]


# The index


def index_table(path: Path, rounds: int) -> Table:
    """Lay out what the index takes to be made anew, and to see that nothing has changed."""
    repository = GitRepository(path)
    store, search = Store(repository), Search("later")
    rebuilt = []
    for _ in range(3):
        with Stopwatch() as watch:
            store.index.rebuild()
        rebuilt.append(watch)
    time.sleep(SETTLED_SECONDS + 0.2)
    store.index.rows("SELECT 1")
    ways: dict[str, Callable[[], object]] = {
        "git for-each-ref": lambda: run(["git", "-C", str(path), *LIST_REFS]),
        "index: nothing changed": lambda: store.index.rows("SELECT 1"),
        "index: nothing changed, newly opened": lambda: opened_and_asked(path),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, ask in ways.items():
            with Stopwatch() as watch:
                ask()
            times[name].append(watch.cpu * 1000)
    for number in range(rounds // 2):
        Search(f"begun{number}").record(store)
        with Stopwatch() as watch:
            store.index.rows("SELECT 1")
        times.setdefault("index: after a run's first candidate", []).append(watch.cpu * 1000)
    search.record(store)
    time.sleep(SETTLED_SECONDS + 0.2)
    store.index.rows("SELECT 1")
    for _ in range(rounds):
        search.record(store)
        with Stopwatch() as watch:
            store.index.rows("SELECT 1")
        times.setdefault("index: after a later one", []).append(watch.cpu * 1000)
    with Stopwatch() as after:
        run(["git", "-C", str(path), "pack-refs", "--all"])
        store.index.rows("SELECT 1")
    made = table("The index", "what", "CPU ms", "times for-each-ref")
    bare = statistics.median(times["git for-each-ref"])
    for name, taken in times.items():
        made.add_row(name, median_text(taken), f"{statistics.median(taken) / bare:.2f}")
    made.add_row(
        "index: after pack-refs, which included",
        f"{after.cpu * 1000:.2f}",
        f"{after.cpu * 1000 / bare:.2f}",
    )
    middle = statistics.median(each.cpu * 1000 for each in rebuilt)
    made.add_row("index: made anew", f"{middle:,.0f}", f"{middle / bare:.0f}")
    store.close()
    return made


def opened_and_asked(path: Path) -> None:
    """Open the store, look at its refs, close it."""
    store = Store(GitRepository(path))
    store.index.rows("SELECT 1")
    store.close()


def many_candidates(path: Path, size: int) -> Store:
    """Fill a large store by packs alone, and index it."""
    store = new_store(path)
    repository, search = store.repository, Search()
    for _ in track(range(0, size, MANY_BATCH), f"{size:,} candidates"):
        fill(repository, search, min(size, search.count + MANY_BATCH), MANY_BATCH)
        run(["git", "-C", str(path), "pack-refs", "--all"])
    store.index.rebuild()
    return store


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--candidates", type=int, default=20_000)
    parser.add_argument(
        "--queries", type=int, default=200_000, help="size of a store that is only asked; 0: none"
    )
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--networks", type=int, default=4000, help="imported in bulk")
    options = parser.parse_args()
    size = options.candidates
    if size < 2 * MIDDLE or size % SLICE:
        parser.error(f"--candidates: whole thousands, {2 * MIDDLE} at least")
    console = Console(width=150)
    console.print(
        f"{options.folder}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, GitPython {version('gitpython')}, "
        f"pygit2 {version('pygit2')}, {subprocess.check_output(['git', '--version'], text=True)}"
    )
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        middle, full = folder / "middle", folder / "full"
        store, watches = filled(full, size, {MIDDLE: middle})
        for made in maintenance_tables(full, watches, size):
            console.print(made)
        console.print(index_table(full, options.rounds * 2))
        stores = [(f"{size:,}", store)]
        if options.queries:
            stores.append(
                (f"{options.queries:,}", many_candidates(folder / "many", options.queries))
            )
        console.print(question_table(stores, NUM_ASKED))
        for _, asked in stores:
            asked.close()
        shutil.rmtree(folder / "many", ignore_errors=True)
        console.print(import_table(folder, options.networks, 3))
        console.print(contest(folder, size, options.rounds, middle, full))


if __name__ == "__main__":
    main()
