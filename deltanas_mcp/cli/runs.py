"""Commands that drive a search: run, resume."""

import shlex
import signal
import sys
from enum import StrEnum
from pathlib import Path
from types import FrameType, TracebackType
from typing import Annotated, NoReturn

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, ModelOption, StoreOption
from deltanas_mcp.cli.places import ExecutorOption, Places, RayAddressOption, Where
from deltanas_mcp.cli.training import INTERRUPTED, DevicesOption, PerDeviceOption


class IfExists(StrEnum):
    """What to do where the store has a run of this name already."""

    ASK = "ask"
    RESUME = "resume"
    NEW = "new"
    REFUSE = "refuse"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(resume)


def run(
    config: Annotated[Path, typer.Argument(help="TOML file with the run's configuration.")],
    store: StoreOption = DEFAULT_STORE,
    name: Annotated[
        str | None, typer.Option(help="Name of the run; the file's name where left out.")
    ] = None,
    if_exists: Annotated[
        IfExists, typer.Option(help="Where the store has this run already.")
    ] = IfExists.ASK,
    model: ModelOption = None,
    devices: DevicesOption = "",
    per_device: PerDeviceOption = 1,
    executor: ExecutorOption = Where.LOCAL,
    ray_address: RayAddressOption = "auto",
) -> None:
    """Search: propose, apply, check, compare, train and record, cycle by cycle.

    Makes the store with our baselines where there is none. Interrupt it at any time: nothing
    that was finished is lost, and `deltanas resume` goes on.
    """
    from deltanas_mcp.settings import load_run_config
    from deltanas_mcp.wiring import begin_search, create_store, open_store, prepare_dataset

    settings = load_run_config(config, model=model)
    places = Places(devices, per_device, executor, ray_address)
    places.of(settings.measurement)
    # Before anything is written: a run that cannot begin must not take its name.
    for dataset in settings.all_datasets:
        prepare_dataset(dataset)
    if not store.exists():
        typer.echo(f"Made the store {store} with {create_store(store)} baselines.")
    run_name = name or config.stem
    with open_store(store) as opened:
        if run_name in opened.runs():
            run_name = _decide(run_name, opened.runs(), if_exists, store)
        if run_name not in opened.runs():
            begin_search(opened, run_name, settings)
    _drive(store, run_name, places)


def resume(
    name: Annotated[
        str | None, typer.Argument(help="Name of the run; the only one where left out.")
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    answers: Annotated[
        int | None, typer.Option(min=1, help="Budget of answers from now on, in all.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="Budget of seconds from now on, in all.")
    ] = None,
    devices: DevicesOption = "",
    per_device: PerDeviceOption = 1,
    executor: ExecutorOption = Where.LOCAL,
    ray_address: RayAddressOption = "auto",
) -> None:
    """Go on with a run that was interrupted or killed, or whose budget was spent."""
    from deltanas_mcp.wiring import open_store, searches
    from deltanas_repo_store.errors import ConfigError

    with open_store(store) as opened:
        there = searches(opened)
        if name is None:
            if len(there) != 1:
                raise ConfigError(f"say which run to resume: {', '.join(there) or 'there is none'}")
            name = there[0]
    places = Places(devices, per_device, executor, ray_address)
    _drive(store, name, places, answers=answers, seconds=seconds)


def _decide(run_name: str, there: tuple[str, ...], choice: IfExists, store: Path) -> str:
    """Return the name to go on with; never one that overwrites anything."""
    from deltanas_repo_store.errors import ConfigError

    names = (f"{run_name}-{number}" for number in range(2, len(there) + 3))
    fresh = next(each for each in names if each not in there)
    if choice is IfExists.ASK:
        if sys.stdin.isatty():
            question = f"The store has a run {run_name!r}. Resume it, or begin {fresh!r}?"
            answer = typer.prompt(question + " [resume/new]", default="resume")
            choice = IfExists.NEW if answer.strip().lower().startswith("n") else IfExists.RESUME
        else:
            choice = IfExists.REFUSE
    if choice is IfExists.REFUSE:
        raise ConfigError(
            f"{store} has a run {run_name!r} already. `--if-exists resume` goes on with it (or "
            f"`deltanas resume {run_name} --store {shlex.quote(str(store))}`), `--if-exists new` "
            f"begins {fresh!r} beside it"
        )
    return run_name if choice is IfExists.RESUME else fresh


def _drive(
    store: Path,
    run_name: str,
    places: Places,
    *,
    answers: int | None = None,
    seconds: float | None = None,
) -> None:
    from deltanas_agent.loop import STOPPED, Loop
    from deltanas_mcp.cli.dataset_progress import dataset_progress
    from deltanas_mcp.cli.progress import run_view
    from deltanas_mcp.cli.tables import console, next_steps, print_leaderboard, print_summary
    from deltanas_mcp.tuning import tuner_of
    from deltanas_mcp.wiring import open_workbench, search_config, with_budget
    from deltanas_repo_store.queries import Wanted, leaderboard

    with open_workbench(store) as bench:
        config = with_budget(search_config(bench.store, run_name), answers, seconds)
        evaluators = bench.evaluators(config, devices=places.of(config.measurement))
        with dataset_progress() as progress:
            bench.catalogue.fill(progress)
        proposers = bench.proposers(config, run=run_name)
        with _Interrupted(store, run_name) as interrupted, run_view() as view:
            finished = Loop(
                run_name,
                config,
                bench.store,
                evaluators,
                proposers,
                view,
                stop_asked=lambda: interrupted.is_asked,
                tuner=tuner_of(bench, run_name, config, view),
            ).drive()
            if finished.reason == STOPPED:
                interrupted.leave()
        console.print()
        wanted = Wanted(
            dataset=None if config.datasets else config.measurement.dataset,
            split=config.measurement.split,
            run=run_name,
        )
        standings = leaderboard(bench.store, wanted)
        print_leaderboard(standings, limit=10)
        print_summary(finished.ledger)
        if finished.reason:
            console.print(f"Stopped before its last cycle: {finished.reason}.")
        candidates = bench.store.candidates(run_name)
        console.print(next_steps(store, candidates, standings), soft_wrap=True)


class _Interrupted:
    """Whether somebody has asked the run to stop, once: what is under way is finished then."""

    def __init__(self, store: Path, run_name: str) -> None:
        self._again = f"deltanas resume {run_name} --store {shlex.quote(str(store))}"
        self.is_asked = False

    def __enter__(self) -> "_Interrupted":
        self._before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
        signal.signal(signal.SIGINT, self._ask)
        signal.signal(signal.SIGTERM, _interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)
        if kind is KeyboardInterrupt:
            self.leave()

    def leave(self) -> NoReturn:
        """End, and say how to go on."""
        typer.echo(
            f"\nInterrupted; everything finished is in the store. Go on with:\n  {self._again}",
            err=True,
        )
        raise typer.Exit(code=INTERRUPTED) from None

    def _ask(self, signal_number: int, frame: FrameType | None) -> None:
        self.is_asked = True
        signal.signal(signal.SIGINT, _interrupt)
        typer.echo(
            "\nStopping when what is under way is finished; Ctrl-C again stops now.", err=True
        )


def _interrupt(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
