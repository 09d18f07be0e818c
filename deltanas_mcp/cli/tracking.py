"""The command `track`: the numbers of a run into trackers that people already use."""

import contextlib
import time
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption

if TYPE_CHECKING:
    from deltanas_mcp.trackers import Tracker
    from deltanas_repo_store.store import Store

LOOK_SECONDS = 5.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(track)


def track(
    run: Annotated[str, typer.Argument(help="Name of a run, whether it goes on or has ended.")],
    store: StoreOption = DEFAULT_STORE,
    tensorboard: Annotated[
        Path | None, typer.Option(help="Folder of TensorBoard's; needs the extra tensorboard.")
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(help="Tracking URI of MLflow's, as in http://host:5000; needs mlflow."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with what ends from now on, until Ctrl-C.")
    ] = False,
) -> None:
    """Write a run's numbers to TensorBoard or MLflow: what is not there yet, in order."""
    from deltanas_agent.tracking import points
    from deltanas_mcp.wiring import open_store, search_config

    if tensorboard is None and mlflow is None:
        raise typer.BadParameter("say where to: --tensorboard FOLDER or --mlflow URI")
    with open_store(store) as opened, contextlib.ExitStack() as closing:
        config = search_config(opened, run)
        trackers = list(_trackers(opened, run, tensorboard, mlflow))
        for each in trackers:
            closing.callback(each.close)
        with _until_interrupted():
            while True:
                found = points(config, opened.candidates(run))
                written = max(each.write(found) for each in trackers)
                typer.echo(f"{written} answers written, {len(found)} in all", err=True)
                if not follow:
                    return
                time.sleep(LOOK_SECONDS)


def _trackers(
    store: "Store", run: str, tensorboard: Path | None, mlflow: str | None
) -> "Generator[Tracker]":
    from deltanas_repo_store.errors import ConfigError

    run_id = store.run_id(run)
    try:
        if tensorboard is not None:
            from deltanas_mcp.trackers.tensorboard import TensorBoard

            yield TensorBoard(tensorboard, run, run_id)
        if mlflow is not None:
            from deltanas_mcp.trackers.mlflow import MLflow

            yield MLflow(mlflow, run, run_id, store.run_config(run)["config"])
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise ConfigError(
            f"the package {package} is not installed: `pip install 'deltanas-mcp[{package}]'`"
        ) from error


@contextlib.contextmanager
def _until_interrupted() -> Generator[None]:
    from deltanas_mcp.cli.training import INTERRUPTED

    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(code=INTERRUPTED) from None
