"""Commands that exchange what stores have: pull, push."""

from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, JsonOption, StoreOption

if TYPE_CHECKING:
    from deltanas_repo_store.sharing.merge_plan import Shared

RemoteArgument = Annotated[
    str, typer.Argument(help="A URL, a path, or the name of a git remote of the store.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Only say what would come of it.")]
_SKIPPED_ROWS = 10


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(pull)
    app.command()(push)


def pull(
    remote: RemoteArgument,
    store: StoreOption = DEFAULT_STORE,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Take in everything that another store, or a repository it was pushed to, has.

    Nothing of yours changes its name or goes away; what is broken there is left out and named.
    """
    _share("pull", remote, store, dry_run=dry_run, as_json=as_json)


def push(
    remote: RemoteArgument,
    store: StoreOption = DEFAULT_STORE,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Give everything in the store to a git repository, which needs nothing of ours.

    Nothing there is overwritten. Work under way is not shared.
    """
    _share("push", remote, store, dry_run=dry_run, as_json=as_json)


def _share(verb: str, remote: str, store: StoreOption, *, dry_run: bool, as_json: bool) -> None:
    import sys
    from contextlib import closing

    from deltanas_repo_store import sharing
    from deltanas_repo_store.repository.git import GitRepository

    share = sharing.pull if verb == "pull" else sharing.push
    with closing(GitRepository(store)) as repository:
        shared = share(repository, remote, dry_run=dry_run, shown=sys.stderr.isatty())
    if as_json:
        typer.echo(shared.model_dump_json(indent=2))
    else:
        done = f"Would {verb}" if dry_run else f"{verb.capitalize()}ed"
        typer.echo(f"{done} {_counts(shared)}.")
        _print_details(shared)


def _counts(shared: "Shared") -> str:
    runs = f" of {_number(shared.runs, 'run')}"
    counts = [
        _number(shared.baselines, "baseline") if shared.baselines else "",
        _number(shared.aliases, "further name") if shared.aliases else "",
        _number(shared.candidates, "candidate") + runs if shared.candidates else "",
        _number(shared.runs, "run") if shared.runs and not shared.candidates else "",
        _number(shared.adapters, "adapter") if shared.adapters else "",
        _number(shared.promotions, "promotion") if shared.promotions else "",
        _number(shared.evaluations, "evaluation") if shared.evaluations else "",
    ]
    told = ", ".join(filter(None, counts))
    if not told and shared.records_merged:
        return f"additions to {_number(shared.records_merged, 'record')}"
    return told or "nothing new"


def _print_details(shared: "Shared") -> None:
    for theirs, ours in shared.renames:
        typer.echo(f"{theirs} is another {theirs} here, so it goes by {ours}.")
    if shared.skipped:
        typer.echo(f"Left out {_number(len(shared.skipped), 'ref')}:", err=True)
    for each in shared.skipped[:_SKIPPED_ROWS]:
        name, reason = ("".join(filter(str.isprintable, text)) for text in (each.name, each.reason))
        typer.echo(f"  {name}: {reason}", err=True)
    if len(shared.skipped) > _SKIPPED_ROWS:
        typer.echo("  … and more (--json)", err=True)


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
