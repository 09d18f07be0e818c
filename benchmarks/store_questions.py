"""What questions cost, for `benchmarks.store`: in an open process, over a store of any size."""

import random
import statistics
from collections.abc import Callable, Sequence

from rich import box
from rich.table import Table

from benchmarks.cpu_time import Stopwatch
from benchmarks.synthetic_store import DATASETS
from deltanas_repo_store.lineage import blame, falls
from deltanas_repo_store.queries import Wanted, ancestors, descendants, leaderboard, newest
from deltanas_repo_store.records import ArchitectureId
from deltanas_repo_store.store import Store

NUM_STEPS = 12
"""Length of the lineages that are asked for: the baseline, and a candidate of each cycle."""

Ask = Callable[[random.Random], object]


def questions(store: Store) -> dict[str, Ask]:
    """Return the questions, each about something else every time."""
    rows = store.index.rows(
        f"SELECT id, run FROM architecture WHERE name LIKE '%/c{NUM_STEPS - 1:02d}-0%' "
        "ORDER BY id LIMIT 500"
    )
    deep = [ArchitectureId(str(each)) for each, _ in rows]
    runs = [str(run) for _, run in rows]
    parents = [
        ArchitectureId(str(each))
        for (each,) in store.index.rows(
            "SELECT parent FROM architecture WHERE name LIKE '%/c08-0%' ORDER BY id LIMIT 500"
        )
    ]

    def board(**wanted: object) -> Ask:
        return lambda rng: leaderboard(
            store, Wanted.model_validate({"dataset": rng.choice(DATASETS), **wanted})
        )

    return {
        "leaderboard of a data set": board(),
        "… of at most 100 k parameters": board(max_params=100_000),
        "… of at most 12 k parameters": board(max_params=12_000),
        "… of a run": lambda rng: leaderboard(store, Wanted(run=rng.choice(runs))),
        "… Pareto front": board(pareto=True),
        "all tasks": lambda rng: leaderboard(store),
        "newest 100": lambda rng: newest(store),
        "newest 100 of a run": lambda rng: newest(store, run=rng.choice(runs)),
        "newest 100 rejected (none)": lambda rng: newest(store, status="rejected"),
        "ancestors, 12 steps": lambda rng: ancestors(store, rng.choice(deep)),
        "descendants, up to 1,000": lambda rng: descendants(store, rng.choice(parents)),
        "falls, 12 steps": lambda rng: falls(store, rng.choice(deep)),
        "blame, 12 steps": lambda rng: blame(store, rng.choice(deep)),
    }


def question_table(stores: Sequence[tuple[str, Store]], count: int) -> Table:
    """Lay out the median and the 95th percentile of each question, in CPU ms, git included."""
    columns = [f"{name}, {what}" for name, _ in stores for what in ("p50 ms", "p95 ms")]
    table = Table("question", title="Questions", box=box.MARKDOWN)
    for column in columns:
        table.add_column(column, justify="right")
    cells: dict[str, list[str]] = {}
    for _, store in stores:
        rng = random.Random(0)
        for name, ask in questions(store).items():
            ask(rng)
            times = []
            for _ in range(count):
                with Stopwatch() as watch:
                    ask(rng)
                times.append(watch.cpu * 1000)
            spread = (statistics.median(times), statistics.quantiles(times, n=20)[-1])
            cells.setdefault(name, []).extend(f"{value:.2f}" for value in spread)
    for name, values in cells.items():
        table.add_row(name, *values)
    return table
