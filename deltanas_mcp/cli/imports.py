"""Commands that bring other people's networks into a store: import lemur, file, folder, git."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption

if TYPE_CHECKING:
    from deltanas_agent.importing import ImportReport
    from deltanas_repo_store.reported import NewBaseline, Skipped

_SHOWN = 20

imports = typer.Typer(
    help="Import networks as baselines. They are read as text, and nothing of them is run.",
    no_args_is_help=True,
)
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the report as JSON, with all that was left out.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(imports, name="import")


@imports.command()
def lemur(
    package: Annotated[
        str,
        typer.Argument(
            help="The wheel of nn-dataset 2.1.2, a folder it was unpacked to, or nn-dataset for an "
            "installed copy. `pip download --no-deps nn-dataset==2.1.2` gets the wheel."
        ),
    ],
    store: StoreOption = DEFAULT_STORE,
    with_rag: Annotated[
        bool,
        typer.Option("--with-rag", help="Take the rag-* networks as well; see the warning."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import LEMUR's published networks, and the accuracies that it reports of them.

    What it reports stays apart from what is measured here: `deltanas leaderboard --source lemur`.
    An import that was stopped goes on when it is started again.
    """
    from deltanas_mcp.cli.dataset_progress import dataset_progress
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.importers.lemur import RAG_WARNING, LemurPackage

    if with_rag:
        typer.secho(RAG_WARNING, fg="yellow", err=True)
    with open_store(store) as into:
        done = {entry.name for entry in into.baselines()}
    with LemurPackage.open(package) as opened:
        with dataset_progress() as progress:
            networks = opened.networks(include_rag=with_rag, done=done, progress=progress)
            _import(store, networks, interface=False, as_json=as_json)
        if opened.num_dropped_trials:
            typer.echo(f"{opened.num_dropped_trials} reported trainings make no sense.", err=True)
        if not with_rag:
            left_out = len(opened.names(include_rag=True)) - len(opened.names())
            typer.echo(f"{left_out} rag-* networks were left out (--with-rag).", err=True)


@imports.command()
def file(
    paths: Annotated[list[Path], typer.Argument(help="Python files, one network each.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Import networks from files; a file NAME.json beside one has its hyper-parameters."""
    from deltanas_repo_store.importers.files import read_file

    _import(store, (read_file(path) for path in paths), interface=True, as_json=as_json)


@imports.command()
def folder(
    path: Annotated[Path, typer.Argument(help="Folder; all below it is looked at.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Import every network below a folder that has the architecture interface."""
    from deltanas_repo_store.importers.files import read_folder

    _import(store, read_folder(path), interface=True, as_json=as_json)


@imports.command()
def git(
    repository: Annotated[str, typer.Argument(help="Folder or URL of a git repository.")],
    rev: Annotated[str | None, typer.Option(help="Branch, tag or commit; HEAD by default.")] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Import every network of a git repository that has the architecture interface."""
    from deltanas_repo_store.importers.files import read_git

    _import(store, read_git(repository, rev), interface=True, as_json=as_json)


def _import(
    store: Path, networks: "Iterable[NewBaseline | Skipped]", *, interface: bool, as_json: bool
) -> None:
    from deltanas_agent.importing import import_networks
    from deltanas_mcp.wiring import open_store

    with open_store(store) as opened:
        report = import_networks(opened, networks, interface=interface)
        opened.repository.maintain_if_due()
    if as_json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _print(report)
    if report.skipped and not report.added and not report.present:
        raise typer.Exit(code=1)


def _print(report: "ImportReport") -> None:
    typer.echo(
        f"Imported {report.added} networks with {report.trials:,} reported trainings, and "
        f"{report.aliases} further names; {report.present} were there before."
    )
    if report.skipped:
        typer.echo(f"{len(report.skipped)} do not fit:", err=True)
    for each in report.skipped[:_SHOWN]:
        typer.echo(f"  {each.name}: {each.reason}", err=True)
    if len(report.skipped) > _SHOWN:
        typer.echo(f"  … and {len(report.skipped) - _SHOWN} more (--json)", err=True)
