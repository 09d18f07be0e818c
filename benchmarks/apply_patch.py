"""Measure the applier beside `git apply --recount` and GNU patch: what is applied, and how fast.

Run it from the repository root, where the project is installed:

    python -m benchmarks.apply_patch                     # about three minutes on one core
    python -m benchmarks.apply_patch --lemur WHEEL       # over LEMUR's networks (nn-dataset 2.1.2)
    python -m benchmarks.apply_patch --count 1           # one case of each fault

The answers are the corpus of the tests: real networks, realistic edits, and faults as language
models make them. *Exact* and *refused* are shares of the answers that should be applied and that
should be refused; *silent wrong* is an answer that was applied and is not the text that was due,
or that was due to be refused.

The times are CPU milliseconds, one answer at a time. Ours are in this process, the syntax gate
and the canonical diff included; those of the two programs are a process each, and their files are
written and read outside of what is measured. The last table has answers made to take long.
"""

import argparse
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from deltanas_tools.apply_patch import Applied, apply
from tests.tools.apply_patch.drafts import Case
from tests.tools.apply_patch.faults import FAULTS, cases
from tests.tools.apply_patch.hostile import HOSTILE, LONG_PARENTS
from tests.tools.apply_patch.sources import lemur_path, lemur_sources, our_sources

Apply = Callable[[Case, Path], tuple[str | None, float]]
"""From a case to the text, or None where it is refused, and the CPU seconds that it took."""


@dataclass(frozen=True)
class Measured:
    """One answer, applied in one way."""

    case: Case
    text: str | None
    seconds: float

    @property
    def is_wrong(self) -> bool:
        """Applied, and not what was due."""
        return self.text is not None and self.text not in self.case.expected


def ours(case: Case, folder: Path) -> tuple[str | None, float]:
    """Apply with DeltaNAS."""
    started = time.process_time()
    result = apply(case.baseline, case.answer)
    seconds = time.process_time() - started
    return (result.text if isinstance(result, Applied) else None), seconds


def program(command: Sequence[str]) -> Apply:
    """Return how a program applies the answer on its stdin to ``net.py``."""

    def run(case: Case, folder: Path) -> tuple[str | None, float]:
        path = folder / "net.py"
        path.write_bytes(case.baseline.encode())
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        ended = subprocess.run(
            command, cwd=folder, input=case.answer.encode(), capture_output=True, check=False
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        text = path.read_bytes().decode(errors="replace")
        return (text if ended.returncode == 0 and text != case.baseline else None), seconds

    return run


WAYS: dict[str, Apply] = {
    "deltanas": ours,
    "git apply --recount": program(
        ["git", "apply", "--recount", "--unidiff-zero", "--ignore-whitespace", "--include=*", "-"]
    ),
    "patch": program(["patch", "--batch", "--silent", "--no-backup-if-mismatch", "net.py"]),
}


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--lemur", default=lemur_path(), help="LEMUR's wheel, or its folder")
    parser.add_argument("--sources", type=int, default=300, help="how many of LEMUR's networks")
    parser.add_argument("--count", type=int, default=4, help="cases of each fault")
    options = parser.parse_args()
    sources = our_sources()
    if options.lemur:
        sources = lemur_sources(options.lemur, options.sources)
    found = [
        case
        for fault in track(FAULTS.values(), "writing answers")
        for case in cases(fault, sources, options.count)
    ]
    lengths = sorted(len(case.baseline) for case in found)
    middle = lengths[len(lengths) // 2]
    console = Console()
    console.print(
        f"{len(found)} answers of {len(FAULTS)} fault classes over {len(sources)} networks; "
        f"parents of {lengths[0]} to {lengths[-1]} characters, median {middle}; "
        f"Python {platform.python_version()}, {platform.machine()}"
    )
    measured = {name: measure(name, way, found) for name, way in WAYS.items()}
    console.print(table_of(measured))
    console.print(hostile_table())


def measure(name: str, way: Apply, found: Sequence[Case]) -> list[Measured]:
    """Apply every case in one way."""
    with tempfile.TemporaryDirectory() as folder:
        way(found[0], Path(folder))  # what is loaded on first use is no part of an answer's time
        return [Measured(case, *way(case, Path(folder))) for case in track(found, name)]


def table_of(measured: dict[str, list[Measured]]) -> Table:
    """What was applied, and the CPU time for it."""
    table = Table("", "exact", "refused", "silent wrong", "median ms", "p90", "p99", "max")
    for name, results in measured.items():
        due = [each for each in results if each.case.expected]
        undue = [each for each in results if not each.case.expected]
        exact = sum(each.text in each.case.expected for each in due)
        refused = sum(each.text is None for each in undue)
        times = [each.seconds * 1000 for each in results]
        cuts = statistics.quantiles(times, n=100)
        spread = (statistics.median(times), cuts[89], cuts[98], max(times))
        table.add_row(
            name,
            f"{exact / len(due):.1%} of {len(due)}",
            f"{refused / len(undue):.1%} of {len(undue)}",
            str(sum(each.is_wrong for each in results)),
            *(f"{value:.1f}" for value in spread),
        )
    return table


def hostile_table() -> Table:
    """How long the answers take that are made to."""
    table = Table("hostile answer", *LONG_PARENTS, title="CPU seconds on parents of 200 kB")
    for name, answer in track(HOSTILE.items(), "hostile answers"):
        row = []
        for parent in LONG_PARENTS.values():
            started = time.process_time()
            apply(parent, answer)
            row.append(f"{time.process_time() - started:.2f}")
        table.add_row(name, *row)
    return table


if __name__ == "__main__":
    main()
