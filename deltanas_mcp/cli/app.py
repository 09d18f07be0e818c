"""The application, its common options, and the one place where errors become sentences."""

import logging
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from deltanas_repo_store.errors import DeltaNasError

DEFAULT_STORE = Path("deltanas-store")


class _Told(TyperGroup):
    """Commands whose own errors end in one line on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except DeltaNasError as error:
            typer.echo(f"deltanas: {error}", err=True)
            raise typer.Exit(code=1) from error


app = typer.Typer(
    cls=_Told,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Search for neural architectures by small code deltas, kept in a git store.",
    epilog="Begin with `deltanas init STORE`, then `deltanas run configs/quickstart.toml`.",
)

StoreOption = Annotated[
    Path,
    typer.Option(
        "--store", "-s", envvar="DELTANAS_STORE", help="The git repository that holds the search."
    ),
]
DatasetOption = Annotated[
    str,
    typer.Option("--dataset", "-d", help="Name of the data set; `deltanas datasets` lists them."),
]
ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model", help="Who proposes: a configuration with a [model], as in configs/models."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, complete.")]
SeedOption = Annotated[int, typer.Option(help="Seed of weights, batches and dropout.")]


@app.callback()
def configure(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what happens.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Set logging up, before any command."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(message)s"
    )
    if version:
        from importlib.metadata import version as version_of

        typer.echo(version_of("deltanas-mcp"))
        raise typer.Exit
