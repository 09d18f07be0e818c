"""How long it takes until a cancelled job and all that it started are gone.

The job trains a network that sleeps in `learn`, so that there are the process that performs it, a
sandbox and a candidate; the worker above them stays for the next job. Run it as

    python -m benchmarks.job_ends [--rounds 10]
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pydantic import JsonValue

from deltanas_mcp.jobs import Jobs
from deltanas_mcp.wiring import create_store, open_store
from deltanas_repo_store.baselines import baselines

HEAD = "    def learn(self, train_data):\n"


def sleeper(store: Path) -> None:
    """Import a baseline whose training takes as long as it may."""
    whole = baselines()["plain-cnn"]
    source = whole.source.replace(HEAD, f"{HEAD}        import time; time.sleep(600)\n")
    with open_store(store) as opened:
        opened.import_baseline("sleeper", whole.model_copy(update={"source": source}))


def processes(mark: str) -> set[int]:
    """Return everything below the worker of a store, which is itself left out."""
    parents: dict[int, int] = {}
    found: set[int] = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if stat[0] == "Z":
            continue
        parents[int(folder.name)] = int(stat[1])
        if mark in command and int(folder.name) != os.getpid():
            found.add(int(folder.name))
    workers = {pid for pid in found if parents[pid] not in found}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - workers


def cancelled(jobs: Jobs, store: Path, seed: int) -> tuple[float, float, int]:
    """Return the seconds until the call answers, until all are gone, and how many there were."""
    arguments: dict[str, JsonValue] = {
        "candidate": "sleeper",
        "dataset": "digits",
        "seed": seed,
        "max_seconds": 600,
    }
    job = jobs.submit("train", arguments, owner="benchmark")
    while jobs.get(job.id, owner=None).state == "queued" or len(processes(str(store))) < 5:
        time.sleep(0.1)
    time.sleep(1)
    there = processes(str(store))
    started = time.perf_counter()
    jobs.cancel(job.id, owner=None)
    answered = time.perf_counter() - started
    while any(Path(f"/proc/{pid}").exists() and not _is_zombie(pid) for pid in there):
        time.sleep(0.005)
    return answered, time.perf_counter() - started, len(there)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def main() -> None:
    """Cancel jobs one after the other, and print how long that took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        create_store(store)
        sleeper(store)
        jobs = Jobs(store)
        rounds = [cancelled(jobs, store, seed) for seed in range(options.rounds)]
    answers, ends, counts = zip(*rounds, strict=True)
    sys.stdout.write(
        f"{options.rounds} jobs of {min(counts)} to {max(counts)} processes\n"
        f"the call answers after  median {statistics.median(answers):.3f} s, "
        f"at most {max(answers):.3f} s\n"
        f"all are gone after      median {statistics.median(ends):.3f} s, "
        f"at most {max(ends):.3f} s  (goal 1 s)\n"
    )


if __name__ == "__main__":
    main()
