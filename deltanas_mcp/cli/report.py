"""The command `report`: one page about runs, with its figures and its data as files."""

from pathlib import Path
from typing import Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(report)


def report(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Names of runs to compare.")],
    store: StoreOption = DEFAULT_STORE,
    out: Annotated[Path, typer.Option("--out", "-o", help="The page.")] = Path("report.html"),
    files: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the figures (SVG) and the data (CSV); beside the page and named "
            "after it where left out.",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, max=100, help="How many of a run's best have final results.")
    ] = 5,
) -> None:
    """Write what runs came to, and what can be concluded of them, as one HTML page.

    The page fetches nothing, and can be mailed as it is; printed from a browser it is a PDF. What
    was there under these names is replaced.
    """
    from importlib.metadata import version

    from deltanas_agent.report.facts import read_facts
    from deltanas_agent.report.files import report_files
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.errors import ConfigError
    from deltanas_repo_store.store import utc_now

    with open_store(store) as opened:
        facts = read_facts(
            opened, runs, read_at=utc_now(), version=version("deltanas-mcp"), top=top
        )
    made = report_files(facts)
    folder = files or out.with_name(f"{out.stem}-files")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        for name, text in made.beside.items():
            (folder / name).write_text(text, encoding="utf-8")
        out.write_text(made.page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"the report cannot be written: {error}") from error
    typer.echo(f"{out} ({len(made.page.encode()) / 1e6:.1f} MB)")
    typer.echo(f"{folder}: {len(made.beside)} figures and tables")
