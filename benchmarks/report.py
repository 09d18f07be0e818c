"""How long a report takes and how large its page is.

    python -m benchmarks.report [CANDIDATES] > report.html

Trained candidates as a search makes them, in a git store; what it took goes to stderr.
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.synthetic_store import PER_RUN, Search, fill
from deltanas_agent.report.facts import read_facts
from deltanas_agent.report.page import render
from deltanas_repo_store.repository.git import GitRepository, create_repository
from deltanas_repo_store.store import Store, utc_now


def main(num_candidates: int) -> None:
    """Fill a store, report on all of its runs, and say what it took."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "store"
        create_repository(path)
        store = Store(GitRepository(path))
        fill(store.repository, Search("run"), num_candidates)
        runs = [f"run-{at:04d}" for at in range((num_candidates - 1) // PER_RUN + 1)]
        for run in runs:
            store.begin_run(run, {"kind": "search"})
        store.entries()  # the index follows the refs before it answers, which a search pays for
        began = time.perf_counter()
        facts = read_facts(store, runs, read_at=utc_now(), version="benchmark", top=5)
        read = time.perf_counter()
        page = render(facts)
        made = time.perf_counter()
        store.close()
    sys.stdout.write(page)
    sys.stderr.write(
        f"{num_candidates} candidates: read in {read - began:.2f} s, page made in "
        f"{made - read:.2f} s, {len(page.encode()) / 1e6:.2f} MB\n"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1100)
