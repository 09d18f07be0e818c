"""What the suite found, scenario by scenario."""

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

REVISIONS = ("2026-07-28", "2025-11-25")
KNOWN = {
    "server-sse-polling": "resuming a stream, which we do not offer: jobs outlive their connection"
}
"""Scenarios outside the requirements that fail, and why we leave it at that."""

Verdict = Literal["passed", "FAILED", "skipped", "known"]


@dataclass(frozen=True)
class Outcome:
    """How one scenario, or one look of the Inspector, ended."""

    name: str
    verdict: Verdict
    num_passed: int
    """Checks that it passed."""
    words: str = ""

    def line(self) -> str:
        """Return it as a line of a table."""
        words = f"  {self.words}" if self.words else ""
        return f"{self.verdict:8}{self.num_passed:4}  {self.name}{words}"


def scenarios(listing: str) -> tuple[str, ...]:
    """Return the scenarios for servers in what ``list --requirements`` says, scored or not."""
    required = listing.split("Server scenarios")[1].split("Client scenarios")[0]
    names = re.findall(r"^\s*- (\S+)$", required, re.MULTILINE)
    return (*names, *re.findall(r"^\s*- (\S+) \[server\]$", listing, re.MULTILINE))


def outcomes(folder: Path, names: tuple[str, ...]) -> tuple[Outcome, ...]:
    """Return how each scenario ended, from the files that the suite wrote to ``folder``."""
    found = {}
    for file in folder.glob("server-*/checks.json"):
        # The name of the folder ends in the time.
        name = re.sub(r"-\d{4}-\d\d-\d\dT[^/]*$", "", file.parent.name.removeprefix("server-"))
        found[name] = json.loads(file.read_text(encoding="utf-8"))
    return tuple(_outcome(name, found.get(name, [])) for name in names)


def _outcome(name: str, checks: list[dict[str, str]]) -> Outcome:
    counts = Counter(check["status"] for check in checks)
    # What a specification only recommends is a warning: we keep that, too.
    bad = [check for check in checks if check["status"] in ("FAILURE", "WARNING")]
    words = "; ".join(f"{each['id']}: {each.get('errorMessage', '')}" for each in bad)
    verdict: Verdict = "passed"
    if not checks:
        verdict, words = "FAILED", "the suite did not run it"
    elif bad and name in KNOWN:
        verdict, words = "known", KNOWN[name]
    elif bad:
        verdict = "FAILED"
    elif not counts["SUCCESS"]:
        verdict, words = "skipped", checks[0].get("errorMessage", "")[:100]
    return Outcome(name, verdict, counts["SUCCESS"], words)
