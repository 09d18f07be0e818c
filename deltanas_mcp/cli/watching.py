"""The command `watch`: a run as it goes on, from another shell."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deltanas_agent.config import RunConfig
    from deltanas_repo_store.entries import KeptEntry, RejectedEntry
    from deltanas_repo_store.store import Store

LOOK_SECONDS = 1.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(watch)


def watch(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    store: StoreOption = DEFAULT_STORE,
    once: Annotated[bool, typer.Option("--once", help="Say how far it is, and end.")] = False,
) -> None:
    """Show how far a run is, and each answer as it ends. Ctrl-C ends the watching, not the run."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from deltanas_mcp.cli.tables import console, print_outcome
    from deltanas_mcp.cli.training import INTERRUPTED
    from deltanas_mcp.wiring import open_store, search_config

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with open_store(store) as opened:
        config = search_config(opened, run)
        known = opened.candidates(run)
        typer.echo(_state(opened, run, config, known))
        if once or _is_done(config, known):
            return
        try:
            with Progress(*columns, console=console, disable=not console.is_terminal) as view:
                bar = view.add_task(run, total=config.cycles * config.slots)
                while not _is_done(config, known):
                    view.update(bar, completed=len(_slots(known)))
                    time.sleep(LOOK_SECONDS)
                    before = {each.key for each in known}
                    known = opened.candidates(run)
                    fresh = [each for each in known if each.key not in before]
                    for each in sorted(fresh, key=lambda entry: entry.made):
                        print_outcome(console, opened.outcome(each.key))
        except KeyboardInterrupt:
            typer.echo("\nThe run goes on, if somebody drives it.", err=True)
            raise typer.Exit(code=INTERRUPTED) from None
        typer.echo(_state(opened, run, config, known))


def _slots(known: "Sequence[KeptEntry | RejectedEntry]") -> set[tuple[int, int]]:
    return {(each.key.cycle, each.key.index) for each in known}


def _is_done(config: "RunConfig", known: "Sequence[KeptEntry | RejectedEntry]") -> bool:
    """Say whether the last candidate of all has ended: kept, or refused for the last time."""
    last = [
        each for each in known if (each.key.cycle, each.key.index) == (config.cycles, config.slots)
    ]
    return any(
        each.status == "kept" or each.stage == "train" or each.key.attempt >= config.attempts
        for each in last
    )


def _state(
    store: "Store", run: str, config: "RunConfig", known: "Sequence[KeptEntry | RejectedEntry]"
) -> str:
    """Return how far a run is: candidates, what they cost, and the best of each data set."""
    from deltanas_agent.ledger import Ledger
    from deltanas_repo_store.queries import Wanted, leaderboard

    ledger = Ledger.of(known)
    cycle = max((each.key.cycle for each in known), default=0)
    lines = [
        f"{run}: cycle {cycle} of {config.cycles}, {len(_slots(known))} of "
        f"{config.cycles * config.slots} candidates begun",
        f"{ledger.answers} answers, {ledger.kept} kept, {ledger.improved} improved, "
        f"{ledger.seconds:.0f} s, {ledger.tokens:,} tokens",
    ]
    for dataset in config.all_datasets:
        best = leaderboard(
            store, Wanted(dataset=dataset, split=config.measurement.split, run=run, limit=1)
        )
        lines += [f"best on {dataset}: {each.accuracy:.4f} {each.name}" for each in best]
    return "\n".join(lines)
