"""The view of `deltanas check --all`."""

import fnmatch
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import typer
from rich.progress import Progress

from deltanas_agent.checking import InputSize, check_all
from deltanas_mcp.cli.tables import error_console
from deltanas_mcp.cli.training import INTERRUPTED
from deltanas_mcp.settings import parse_measurement
from deltanas_mcp.wiring import open_workbench


def check_everything(
    store: Path, inputs: Sequence[str], *, match: str, again: bool, jobs: int | None
) -> None:
    """Build every baseline whose name matches, show a bar, and print what came of it."""
    sizes = [InputSize(text) for text in inputs]
    counts: dict[str, Counter[str]] = {size.text: Counter() for size in sizes}
    with (
        open_workbench(store) as bench,
        Progress(console=error_console, disable=not error_console.is_terminal) as bar,
    ):
        task = bar.add_task("baselines", total=None)
        places = ["cpu"] * (jobs or os.cpu_count() or 1)
        results = check_all(
            bench.store,
            sizes,
            bench.trainers(parse_measurement(), places),
            names=lambda name: fnmatch.fnmatchcase(name, match),
            again=again,
            started=lambda total: bar.update(task, total=total),
        )
        try:
            for name, check in results:
                counts[check.input][check.code or "works"] += 1
                bar.update(task, advance=1, description=name)
        except KeyboardInterrupt:
            typer.echo("Interrupted; the same command goes on.", err=True)
            raise typer.Exit(code=INTERRUPTED) from None
        finally:
            results.close()
            for text, found in counts.items():
                typer.echo(f"{text}: {_words(found)}")


def _words(found: "Counter[str]") -> str:
    return ", ".join(f"{code} {count}" for code, count in found.most_common()) or "nothing new"
