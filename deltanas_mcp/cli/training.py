"""Commands that train one architecture: train, reproduce."""

import json
import statistics
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, DatasetOption, SeedOption, StoreOption

if TYPE_CHECKING:
    from deltanas_agent.config import Measurement
    from deltanas_agent.reproduce import Reproduction
    from deltanas_mcp.wiring import Workbench
    from deltanas_repo_store.records import ArchitectureId, CurvePoint, Evaluation, Pending

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count it: 128 plus the number of SIGINT."""
_CURVE_ROWS = 10

DevicesOption = Annotated[
    str,
    typer.Option(
        help="Devices to train on side by side, as in cuda:0,cuda:1; the one that is measured on "
        "where left out."
    ),
]
PerDeviceOption = Annotated[
    int, typer.Option(min=1, max=64, help="Trainings at the same time on each device.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(train)
    app.command()(reproduce)


def train(
    target: Annotated[
        str,
        typer.Argument(help="An architecture (id or name) or a pending candidate (RUN/c01-003)."),
    ],
    store: StoreOption = DEFAULT_STORE,
    dataset: DatasetOption = "digits",
    transform: Annotated[
        str, typer.Option(help="What is done to images, by LEMUR's name, as in norm_32_flip.")
    ] = "norm",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs.")] = 1,
    seed: SeedOption = 42,
    seeds: Annotated[
        int, typer.Option(min=1, max=100, help="How many seeds: that one and those after it.")
    ] = 1,
    split: Annotated[
        Literal["search", "test"],
        typer.Option(help="What is scored; the test split is for the end."),
    ] = "search",
    budget_seconds: Annotated[
        float | None, typer.Option(min=0.0, help="No epoch begins after so many seconds.")
    ] = None,
    limit_seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="End a training that takes longer; 600 s an epoch by default."),
    ] = None,
    curve: Annotated[
        bool | None,
        typer.Option(help="Score after each epoch; by default where there are several."),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "cpu",
    devices: DevicesOption = "",
    per_device: PerDeviceOption = 1,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    precision: Annotated[
        Literal["float32", "bf16"], typer.Option(help="bf16: autocast, for a GPU.")
    ] = "float32",
    channels_last: Annotated[
        bool, typer.Option("--channels-last", help="Faster convolutions; not for every network.")
    ] = False,
    download: Annotated[bool, typer.Option("--download", help="Fetch a missing data set.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records, as JSON.")] = False,
) -> None:
    """Train and score; a pending candidate goes through all gates and becomes a commit.

    Each seed is recorded as it ends, and one that the store has is not trained again: the same
    command goes on where it was interrupted.
    """
    from deltanas_agent.config import Replication
    from deltanas_mcp.settings import parse_devices, parse_measurement
    from deltanas_mcp.wiring import open_workbench
    from deltanas_repo_store.errors import ConfigError

    measurement = parse_measurement(
        dataset=dataset,
        transform=transform,
        split=split,
        epochs=epochs,
        budget_seconds=budget_seconds,
        curve=epochs > 1 if curve is None else curve,
        seed=seed,
        device=device,
        threads=threads,
        precision=precision,
        channels_last=channels_last,
        train_seconds=600.0 * epochs if limit_seconds is None else limit_seconds,
    )
    places = parse_devices(devices, per_device, measurement)
    numbers = Replication(seeds=seeds).of(measurement)
    with open_workbench(store) as bench, _interruptible():
        pending = bench.store.find_pending(target)
        if pending is not None and split != "search":
            raise ConfigError("a candidate is judged on the search split; score it on test later")
        if pending is not None:
            architecture_id = _end_pending(bench, pending, measurement, download, quiet=as_json)
            typer.echo(f"details: deltanas show {target} --store {store}", err=True)
        else:
            architecture_id = bench.store.resolve(target)
        evaluations: list[Evaluation] = []
        if architecture_id is not None:
            evaluations = _measure(bench, architecture_id, measurement, places, numbers, download)
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in evaluations], indent=2))
    else:
        _print(evaluations)


def reproduce(
    target: Annotated[str, typer.Argument(help="An architecture: commit id or name.")],
    store: StoreOption = DEFAULT_STORE,
    only: Annotated[
        str,
        typer.Option(help="Only measurements whose name contains this, as in cifar-10 or e50."),
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print both records, as JSON.")] = False,
) -> None:
    """Train again as the records of an architecture say, and compare.

    On a CPU accuracy and loss must agree to the last bit, on a GPU the accuracies within the noise
    floor of the store. Exits with 1 where a number could not be reproduced. Changes nothing.
    """
    from deltanas_mcp.wiring import open_workbench
    from deltanas_repo_store.errors import ConfigError

    with open_workbench(store) as bench, _interruptible():
        architecture_id = bench.store.resolve(target)
        evaluations = bench.store.evaluations(architecture_id)
        recorded = [each for each in evaluations if only in each.key]
        if not recorded:
            there = ", ".join(each.key for each in evaluations) or "none"
            raise ConfigError(f"{target} has no measurement with {only!r} in its name: {there}")
        found = [_reproduce(bench, architecture_id, each, quiet=as_json) for each in recorded]
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in found], indent=2))
    if any(each.verdict == "different" for each in found):
        raise typer.Exit(code=1)


def _end_pending(
    bench: "Workbench",
    pending: "Pending",
    measurement: "Measurement",
    download: bool,
    *,
    quiet: bool,
) -> "ArchitectureId | None":
    """Take a pending candidate to its end; return its id where it was kept."""
    from deltanas_mcp.cli.tables import console, print_outcome
    from deltanas_repo_store.records import Kept

    evaluator = bench.evaluator(measurement, download=download)
    with console.status("training (Ctrl-C stops; nothing is lost)"):
        outcome = evaluator.evaluate(pending)
        ended = bench.store.finish(outcome)
    if not quiet:
        print_outcome(console, outcome)
    return ended if isinstance(outcome, Kept) else None


def _measure(
    bench: "Workbench",
    architecture_id: "ArchitectureId",
    measurement: "Measurement",
    places: Sequence[str],
    seeds: Sequence[int],
    download: bool,
) -> "list[Evaluation]":
    """Measure with every seed; those that end are recorded although another fails."""
    from deltanas_repo_store.errors import CandidateError

    evaluator = bench.evaluator(measurement, download=download, devices=places)
    with _bars(measurement.epochs) as bar:
        begun = [
            evaluator.begin_measuring(architecture_id, seed=seed, on_epoch=bar(f"seed {seed}"))
            for seed in seeds
        ]
        evaluations: list[Evaluation] = []
        failure: CandidateError | None = None
        for measuring in begun:
            try:
                evaluations.append(measuring())
            except CandidateError as error:
                failure = failure or error
    if failure is not None:
        raise failure
    return evaluations


def _reproduce(
    bench: "Workbench", architecture_id: "ArchitectureId", recorded: "Evaluation", *, quiet: bool
) -> "Reproduction":
    from deltanas_agent.reproduce import conditions, reproduce
    from deltanas_mcp.settings import parse_measurement

    wanted = conditions(recorded)
    evaluator = bench.evaluator(parse_measurement(**wanted.model_dump(exclude={"sandbox"})))
    with _bars(recorded.epochs) as bar:
        found = reproduce(
            bench.store.get(architecture_id),
            recorded,
            evaluator.dataset,
            evaluator.sandbox,
            noise_floor=evaluator.noise_floor() if recorded.device != "cpu" else None,
            on_epoch=bar(recorded.key),
        )
    if not quiet:
        typer.echo(_verdict(found))
    return found


def _verdict(found: "Reproduction") -> str:
    old, new = found.recorded, found.again
    words = {
        "identical": "reproduced bit for bit",
        "within-noise": "reproduced within the noise floor",
        "different": "NOT reproduced",
    }
    lines = [
        f"{old.key}: {words[found.verdict]}: accuracy {new.accuracy:.6f} (recorded "
        f"{old.accuracy:.6f}), loss {new.loss:.9f} (recorded {old.loss:.9f})"
    ]
    return "\n".join([*lines, *(f"  {each}" for each in found.differences)])


def _print(evaluations: "Sequence[Evaluation]") -> None:
    for each in evaluations:
        flags = f" · {', '.join(each.flags)}" if each.flags else ""
        typer.echo(
            f"seed {each.seed}: accuracy {each.accuracy:.4f} · loss {each.loss:.4f} · "
            f"{each.epochs} epoch(s) · {each.num_params:,} params · {each.seconds:.1f} s · "
            f"{each.split} split{flags}"
        )
    for each in evaluations:
        if each.curve:
            typer.echo(f"learning curve of seed {each.seed}, complete with --json:")
            typer.echo("\n".join(_curve_lines(each.curve)))
    if len(evaluations) > 1:
        accuracies = [each.accuracy for each in evaluations]
        typer.echo(
            f"accuracy {statistics.mean(accuracies):.4f} ± {statistics.stdev(accuracies):.4f} "
            f"(mean and standard deviation over {len(accuracies)} seeds)"
        )


def _curve_lines(curve: "Sequence[CurvePoint]") -> list[str]:
    """Return about ten epochs of a curve, its last among them."""
    step = -(-len(curve) // _CURVE_ROWS)
    shown = [*curve[step - 1 : -1 : step], curve[-1]]
    return [
        f"  epoch {point.epoch:>4}  accuracy {point.accuracy:.4f}  loss {point.loss:.4f}  "
        f"{point.cpu_seconds:8.1f} CPU s"
        for point in shown
    ]


@contextmanager
def _bars(epochs: int) -> "Generator[Callable[[str], Callable[[int], None]]]":
    """Show a bar for each training; yields what adds one and returns how to move it."""
    from rich.progress import Progress

    from deltanas_mcp.cli.tables import error_console

    with Progress(
        console=error_console, transient=True, disable=not error_console.is_terminal
    ) as progress:

        def add(name: str) -> Callable[[int], None]:
            task = progress.add_task(name, total=epochs)
            return lambda ended: progress.update(task, completed=max(0, ended))

        yield add


@contextmanager
def _interruptible() -> Generator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(
            "\nInterrupted; what has ended is in the store. The same command goes on.", err=True
        )
        raise typer.Exit(code=INTERRUPTED) from None
