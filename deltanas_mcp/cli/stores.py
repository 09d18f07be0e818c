"""Commands about what a store holds: init, baselines, show."""

from pathlib import Path
from typing import Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (init, baselines, show):
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

    with open_store(store) as opened:
        if add:
            import_baselines(opened)
        for entry in opened.baselines():
            source = opened.get(entry.id).source
            first = source.lstrip().split("\n", 1)[0].strip('"# ')
            typer.echo(f"{entry.id[:10]}  {entry.name:<20} {first}")


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
