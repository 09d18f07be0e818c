"""Commands about what a store holds: init, baselines, log, leaderboard, show."""

import shutil
import subprocess
from pathlib import Path
from typing import Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (init, baselines, log, leaderboard, show):
        app.command()(command)


def init(
    path: Annotated[Path, typer.Argument(help="Where to make the store.")] = DEFAULT_STORE,
    empty: Annotated[bool, typer.Option("--empty", help="Import no baselines.")] = False,
) -> None:
    """Make a store: a bare git repository with our baselines in it."""
    from deltanas_mcp.wiring import create_store

    count = create_store(path, with_baselines=not empty)
    typer.echo(f"Made {path} with {count} baselines.")
    if not empty:
        typer.echo(f"Next: deltanas run configs/quickstart.toml --store {path}")


def baselines(
    store: StoreOption = DEFAULT_STORE,
    add: Annotated[
        bool, typer.Option("--add", help="First import those of ours that the store lacks.")
    ] = False,
) -> None:
    """List the store's baselines."""
    from deltanas_mcp.wiring import import_baselines, open_store
    from deltanas_repo_store.entries import BaselineEntry

    with open_store(store) as opened:
        if add:
            import_baselines(opened)
        for entry in opened.entries():
            if isinstance(entry, BaselineEntry):
                source = opened.get(entry.id).source
                first = source.lstrip().split("\n", 1)[0].strip('"# ')
                typer.echo(f"{entry.id[:10]}  {entry.name:<20} {first}")


def log(
    run: Annotated[str | None, typer.Argument(help="Only this run's candidates.")] = None,
    store: StoreOption = DEFAULT_STORE,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Commits at most.")] = 100,
) -> None:
    """Show the lineage as git does; the command is printed first, to be used with other options."""
    from deltanas_mcp.wiring import open_store

    with open_store(store) as opened:
        if run is not None:
            opened.run_config(run)
    what = (
        ["--all"]
        if run is None
        else [f"--glob=refs/heads/delta/{run}/*", f"--glob=refs/rejected/{run}/*"]
    )
    command = ["git", "-C", str(store), "log", "--graph", "--oneline", f"-n{limit}", *what]
    typer.secho(f"$ {' '.join(command)}", dim=True, err=True)
    git = shutil.which("git") or "git"
    raise typer.Exit(code=subprocess.run([git, *command[1:]]).returncode)


def leaderboard(
    store: StoreOption = DEFAULT_STORE,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="One data set.")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run and the baselines.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows a table.")] = 20,
) -> None:
    """Print the best architectures of each data set."""
    from deltanas_agent.leaderboard import leaderboard as standings
    from deltanas_mcp.cli.tables import print_leaderboard
    from deltanas_mcp.wiring import open_store

    with open_store(store) as opened:
        if run is not None:
            opened.run_config(run)
        print_leaderboard(standings(opened, dataset=dataset, run=run), limit=limit)


def show(
    name: Annotated[str, typer.Argument(help="An id, a baseline, or RUN/c01-003.")],
    store: StoreOption = DEFAULT_STORE,
    source: Annotated[bool, typer.Option("--source", help="Print the source alone.")] = False,
) -> None:
    """Show an architecture or candidate: what changed, how it ended, what it printed."""
    from deltanas_mcp.describe import describe
    from deltanas_mcp.wiring import open_store

    with open_store(store) as opened:
        if source:
            typer.echo(opened.get(opened.resolve(name)).source, nl=False)
        else:
            typer.echo(describe(opened, name))
