"""What the command line prints: leaderboards, outcomes and the lineage, as plain text or tables."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deltanas_agent.ledger import Ledger
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.queries import Standing
from deltanas_repo_store.records import Kept, Outcome

console = Console(highlight=False)
error_console = Console(highlight=False, stderr=True)


def print_leaderboard(
    standings: Sequence[Standing], *, limit: int, max_tables: int | None = None
) -> None:
    """Print the best standings of each task; of too many tasks, a line with the best of each."""
    if not standings:
        console.print("Nothing fits: `deltanas train NAME` and `deltanas run CONFIG` measure.")
    tasks: dict[str, list[Standing]] = {}
    for row in standings:
        tasks.setdefault(row.task, []).append(row)
    if max_tables is None or len(tasks) <= max_tables:
        for rows in tasks.values():
            _print_task(rows, limit)
        return
    console.print(f"The best of each of {len(tasks)} tasks; --dataset and --epochs show more:")
    for task, rows in tasks.items():
        console.print(Text(f"{rows[0].accuracy:.4f}  {task:<28} {rows[0].name}"), soft_wrap=True)


def _print_task(rows: Sequence[Standing], limit: int) -> None:
    table = Table(title=rows[0].title, title_justify="left", expand=True)
    table.add_column("#", justify="right", no_wrap=True, min_width=3)
    table.add_column("accuracy", justify="right", no_wrap=True)
    table.add_column("gain", justify="right", no_wrap=True)
    table.add_column("params", justify="right", no_wrap=True, min_width=11)
    table.add_column("architecture", no_wrap=True, overflow="ellipsis", max_width=32)
    table.add_column("change", no_wrap=True, overflow="ellipsis", ratio=1)
    for place, row in enumerate(rows[:limit], start=1):
        table.add_row(
            str(place),
            f"{row.accuracy:.4f}" + (f" ×{row.num_seeds}" if row.num_seeds > 1 else ""),
            "" if row.gain is None else f"{row.gain:+.4f}",
            "" if row.num_params is None else f"{row.num_params:,}",
            Text(row.name),
            Text(row.change or "baseline"),
        )
    console.print(table)
    if len(rows) > limit:
        console.print("… and more (--limit)")


def print_outcome(to: Console, outcome: Outcome) -> None:
    """Print one line about an answer that has ended; cut to the width of a terminal."""
    line = outcome_line(outcome)
    if to.is_terminal:
        line.truncate(to.width, overflow="ellipsis")
    to.print(line, soft_wrap=True)


def outcome_line(outcome: Outcome) -> Text:
    """Return one line about an answer that has ended."""
    name = f"{outcome.pending.key.name:<12} "
    summary = outcome.pending.proposal.summary
    if isinstance(outcome, Kept):
        style = "green" if outcome.improved else "default"
        result = (f"{outcome.evaluation.accuracy:.4f} ({outcome.gain:+.4f})", style)
    else:
        result = (f"{outcome.rejection.stage}: {outcome.rejection.code}", "yellow")
    return Text.assemble(name, result, f"  {summary}")


def print_summary(ledger: Ledger) -> None:
    """Print what a run has cost and brought, first answers apart from retries."""
    console.print(
        f"{ledger.answers} answers, {ledger.first_answers} of them first tries · "
        f"{ledger.kept} trained and kept, {ledger.kept_first} at the first try · "
        f"{ledger.improved} better than their parent beyond noise · {ledger.seconds:.0f} s"
    )


def next_steps(
    store: Path,
    candidates: Sequence[KeptEntry | RejectedEntry],
    standings: Sequence[Standing],
) -> str:
    """Return what a person may want to do after a run, as commands that work on it."""
    where = shlex.quote(str(store))
    names = {entry.name for entry in candidates if isinstance(entry, KeptEntry)}
    best = next((row.name for row in standings if row.name in names), None)
    rejected = next((entry.name for entry in candidates if isinstance(entry, RejectedEntry)), None)
    lines = [f"See the lineage:       git -C {where} log --graph --oneline --all"]
    if best is not None:
        lines.append(f"The best one's delta:  git -C {where} show delta/{best}")
    if rejected is not None:
        lines.append(f"Why one was rejected:  deltanas show {rejected} --store {where}")
    lines += [
        f"The whole table:       deltanas leaderboard --store {where}",
        f"Your own edit:         deltanas propose plain-cnn --store {where} > my.diff",
        f"                       deltanas apply plain-cnn my.diff --store {where}",
        f"An assistant's:        deltanas-mcp --store {where}   (an MCP server; see the README)",
    ]
    return "\n".join(lines)
