"""Print how the applier does on the corpus: ``python -m tests.tools.apply_patch.report``.

A silent wrong is an answer that was applied and is not the text that was due; there must be none.
"""

import argparse
import difflib
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from deltanas_tools.apply_patch import Applied, Refused, apply
from tests.tools.apply_patch.drafts import Case
from tests.tools.apply_patch.faults import FAULTS, cases
from tests.tools.apply_patch.sources import Source, lemur_path, lemur_sources, our_sources

Verdict = Literal["exact", "refused", "allowed", "missed", "wrong"]


@dataclass(frozen=True)
class Outcome:
    """What became of a case: ``missed`` is refused without need, ``wrong`` applied wrongly."""

    case: Case
    result: Applied | Refused

    @property
    def verdict(self) -> Verdict:
        """Whether the result is right, and of which kind."""
        if isinstance(self.result, Applied):
            return "exact" if self.result.text in self.case.expected else "wrong"
        if not self.case.expected:
            return "refused"
        return "allowed" if self.case.refusal_allowed else "missed"

    @property
    def is_right(self) -> bool:
        """True for all that the contract asks for or leaves open."""
        return self.verdict not in ("missed", "wrong")

    def describe(self) -> str:
        """The fault, the answer, and how the result differs from what was due."""
        due = f"one of {len(self.case.expected)} texts" if self.case.expected else "a refusal"
        lines = [f"== {self.case.name}: {self.verdict}; due: {due}", self.case.answer]
        if isinstance(self.result, Refused):
            return "\n".join([*lines, f"-- refused: {self.result.code}: {self.result.message}"])
        due_text = min(self.case.expected, default=self.case.baseline)
        lines.append("-- applied; from what was due, or else the baseline, to what came:")
        return "\n".join([*lines, *_differences(due_text, self.result.text)])


def _differences(due: str, got: str) -> list[str]:
    lines = due.split("\n"), got.split("\n")
    return [repr(line)[1:-1] for line in difflib.unified_diff(*lines, "due", "got", lineterm="")]


def outcomes(found: Iterable[Case]) -> list[Outcome]:
    """Every case applied."""
    return [Outcome(case, apply(case.baseline, case.answer)) for case in found]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each fault class, and the totals; 1 where anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lemur", default=lemur_path(), help="a wheel or folder of LEMUR")
    parser.add_argument("--sources", type=int, default=150, help="how many files of LEMUR")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument("--count", type=int, default=10, help="cases of a fault for each seed")
    parser.add_argument("--fault", default="", help="only the faults whose name begins so")
    parser.add_argument("--show", default=None, help="print the failing cases of such faults")
    parser.add_argument("--all", action="store_true", help="with --show: the right ones, too")
    parser.add_argument("--limit", type=int, default=5, help="how many cases --show prints")
    options = parser.parse_args(arguments)
    sources = our_sources()
    if options.lemur:
        sources += lemur_sources(options.lemur, options.sources)
    prefix = options.fault if options.show is None else options.show
    return _report(sources, prefix, options)


def _report(sources: Sequence[Source], prefix: str, options: argparse.Namespace) -> int:
    totals: Counter[str] = Counter()
    due: Counter[str] = Counter()
    _write(f"{'fault':36} {'due':8} cases  exact refused missed wrong  ms/case")
    for fault in (fault for name, fault in FAULTS.items() if name.startswith(prefix)):
        found = [
            case
            for seed in range(options.seeds)
            for case in cases(fault, sources, options.count, seed)
        ]
        begin = time.process_time()
        done = outcomes(found)
        spent = (time.process_time() - begin) * 1000 / max(1, len(done))
        counts = Counter(outcome.verdict for outcome in done)
        refused = counts["refused"] + counts["allowed"]
        _write(
            f"{fault.name:36} {fault.due:8} {len(done):5} {counts['exact']:6} {refused:7} "
            f"{counts['missed']:6} {counts['wrong']:5} {spent:8.1f}"
        )
        totals += counts
        due[fault.due] += len(done)
        if options.show is not None:
            _show(done, options)
    _write_totals(totals, due)
    return int(totals["missed"] + totals["wrong"] > 0)


def _show(done: Iterable[Outcome], options: argparse.Namespace) -> None:
    shown = [outcome for outcome in done if options.all or not outcome.is_right]
    for outcome in shown[: options.limit]:
        _write(outcome.describe())


def _write_totals(totals: Counter[str], due: Counter[str]) -> None:
    exact, right = totals["exact"], totals["exact"] + totals["allowed"]
    _write(f"\n{sum(due.values())} cases")
    _write(f"exact, where due:   {_share(exact, due['apply'])}")
    _write(f"  or refused, where that is right as well: {_share(right, due['apply'])}")
    _write(f"refused, where due: {_share(totals['refused'], due['refuse'])}")
    _write(f"silent wrongs:      {totals['wrong']}")


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "none"


def _write(line: str) -> None:
    text = f"{line}\n".encode("utf-8", "replace")
    sys.stdout.buffer.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
