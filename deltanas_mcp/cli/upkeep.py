"""Commands that keep a store in order: maintain, reindex."""

import time
from typing import Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(maintain)
    app.command()(reindex)


def maintain(
    store: StoreOption = DEFAULT_STORE,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pack the store's refs and objects. Drops nothing; runs by itself every 1,000 candidates."""
    from deltanas_mcp.cli.tables import error_console
    from deltanas_repo_store.repository.git import GitRepository

    repository = GitRepository(store)
    try:
        with error_console.status("maintaining") as status:
            done = repository.maintain(lambda what: status.update(f"maintaining: {what}"))
    finally:
        repository.close()
    if as_json:
        typer.echo(done.model_dump_json(indent=2))
    else:
        typer.echo(
            f"{done.loose_before} loose objects became {done.loose_after}, in {done.packs} "
            f"pack(s); {done.bytes / 1e6:.1f} MB, {done.removed} left-over files removed"
        )


def reindex(
    store: StoreOption = DEFAULT_STORE,
    novelty: Annotated[
        bool,
        typer.Option("--novelty", help="Compute what novelty looks up as well: some ms a network."),
    ] = False,
) -> None:
    """Make the index anew from git. Nothing depends on it: it can be deleted at any time."""
    from deltanas_mcp.cli.dataset_progress import dataset_progress
    from deltanas_mcp.wiring import open_workbench

    began = time.monotonic()
    with open_workbench(store) as bench, dataset_progress() as progress:
        count = bench.store.index.rebuild(lambda done, total: progress("refs", done, total))
        if novelty:
            bench.catalogue.fill(progress)
    typer.echo(f"Read {count} refs in {time.monotonic() - began:.1f} s.")
