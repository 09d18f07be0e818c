"""One command per operation: propose, apply, check, novelty, and the data sets."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, DatasetOption, ModelOption, StoreOption

if TYPE_CHECKING:
    from deltanas_repo_store.records import Architecture, Pending
    from deltanas_repo_store.store import Store

DEFAULT_INPUTS = ["3x32x32-10", "1x28x28-10"]
"""Input sizes of `check --all`: those of CIFAR-10 and of MNIST."""

HAND_RUN = "hand"
"""Run that holds the candidates of people at the command line."""

Target = Annotated[
    str, typer.Argument(help="An architecture (id or name) or a pending candidate (RUN/c01-003).")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (propose, apply, check, novelty):
        app.command()(command)
    app.add_typer(datasets, name="datasets")


def propose(
    parent: Annotated[str, typer.Argument(help="The architecture to change: id or name.")],
    store: StoreOption = DEFAULT_STORE,
    dataset: DatasetOption = "digits",
    seed: Annotated[int, typer.Option(help="Seed of the proposal.")] = 0,
    proposer: Annotated[
        str | None,
        typer.Option(help="mutation, transformers, openai or full; mutation without --model."),
    ] = None,
    model: ModelOption = None,
) -> None:
    """Write a delta for an architecture; it goes to stdout, its summary to stderr."""
    from deltanas_agent.config import Measurement
    from deltanas_mcp.settings import model_settings, parse_run_config
    from deltanas_mcp.wiring import open_workbench
    from deltanas_tools.propose_delta.port import Request

    values = {} if model is None else model_settings(model)
    if proposer is not None:
        values["proposer"] = proposer
    config = parse_run_config(values, where="the proposer")
    with open_workbench(store) as bench:
        writer = bench.proposer(config)
        parent_id = bench.store.resolve(parent)
        brief = bench.evaluator(Measurement(dataset=dataset)).brief(parent_id)
        [proposal] = writer.propose([Request(brief=brief, seed=seed)])
    typer.echo(proposal.summary, err=True)
    typer.echo(proposal.answer, nl=not proposal.answer.endswith("\n"))


def apply(
    parent: Annotated[
        str | None, typer.Argument(help="The architecture to change: id or name.")
    ] = None,
    delta: Annotated[
        Path, typer.Argument(help="File with a unified diff or SEARCH/REPLACE blocks; - is stdin.")
    ] = Path("-"),
    store: StoreOption = DEFAULT_STORE,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be kept, and keep nothing.")
    ] = False,
    jsonl: Annotated[
        bool,
        typer.Option(
            "--jsonl",
            help='Filter: for each line {"baseline": ..., "diff": ...} of stdin, write a line '
            '{"ok": true, "text": ...} or {"ok": false, "error": {"code": ..., "message": ...}}. '
            "Needs no store and keeps nothing.",
        ),
    ] = False,
    summary: Annotated[str, typer.Option(help="What the delta changes, in words.")] = "",
    run: Annotated[str, typer.Option(help="Run to keep the candidate in.")] = HAND_RUN,
) -> None:
    """Apply a delta and keep the result as a pending candidate; prints the canonical delta.

    Line numbers, counts and white space may be wrong; each hunk must fit one place. What had to
    be forgiven is named on stderr.
    """
    if jsonl:
        _filter()
        return
    if parent is None:
        raise typer.BadParameter("say which architecture to change", param_hint="PARENT")
    from deltanas_agent.submit import preview, submit
    from deltanas_mcp.cli.deltas import print_applied, print_delta
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.records import Proposal

    answer = _read(delta)
    with open_store(store) as opened:
        parent_id = opened.resolve(parent)
        if dry_run:
            seen = preview(opened, parent=parent_id, answer=answer)
            print_delta(seen.canonical_diff)
            print_applied(seen)
            return
        proposal = Proposal(answer=answer, proposer="caller", summary=summary, seed=0)
        kept = submit(opened, run=run, parent=parent_id, proposal=proposal)
    print_delta(kept.delta)
    print_applied(kept)
    name = f"{run}/{kept.pending.key.name}"
    typer.echo(f"pending as {name}; next: deltanas train {name} --store {store}", err=True)


def check(
    target: Annotated[
        str | None,
        typer.Argument(help="An architecture (id or name) or a pending candidate (RUN/c01-003)."),
    ] = None,
    store: StoreOption = DEFAULT_STORE,
    dataset: DatasetOption = "digits",
    everything: Annotated[
        bool, typer.Option("--all", help="Build every baseline, and keep what came of it.")
    ] = False,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="With --all: channels x height x width - classes."),
    ] = None,
    match: Annotated[
        str, typer.Option(help="With --all: names, with * and ? as in a shell.")
    ] = "*",
    again: Annotated[
        bool, typer.Option("--again", help="With --all: those checked before as well.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, max=256, help="With --all: at a time; one a CPU.")
    ] = None,
) -> None:
    """Check that a network has the interface, builds, runs, and computes something new.

    With --all, what was checked before is left out: a check that was stopped goes on.
    """
    if everything:
        from deltanas_mcp.cli.checks import check_everything

        if target is not None:
            raise typer.BadParameter("name one network or --all", param_hint="TARGET")
        check_everything(store, inputs or DEFAULT_INPUTS, match=match, again=again, jobs=jobs)
        return
    if target is None:
        raise typer.BadParameter("say which network, or --all", param_hint="TARGET")
    from deltanas_agent.config import Measurement
    from deltanas_mcp.wiring import open_workbench

    with open_workbench(store) as bench:
        architecture, pending = _find(bench.store, target)
        evaluator = bench.evaluator(Measurement(dataset=dataset))
        parent = pending.parent if pending else bench.store.parent(bench.store.resolve(target))
        build = evaluator.check(architecture, parent)
    typer.echo(
        f"builds: {build.num_params:,} parameters, {build.num_operations} operations forward"
    )
    if parent is not None:
        typer.echo(f"effective: computes something else than {parent[:10]}")


def novelty(
    target: Target,
    store: StoreOption = DEFAULT_STORE,
    build: Annotated[
        bool,
        typer.Option("--build", help="Build it first, to compare what it computes as well."),
    ] = False,
    dataset: DatasetOption = "digits",
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say whether the store has a network already: its text, its computation, its idea."""
    from deltanas_agent.config import Measurement
    from deltanas_mcp.cli.dataset_progress import dataset_progress
    from deltanas_mcp.describe import describe_novelty
    from deltanas_mcp.wiring import open_workbench

    with open_workbench(store) as bench:
        architecture, pending = _find(bench.store, target)
        own = None if pending else bench.store.resolve(target)
        parent = pending.parent if pending else bench.store.parent(bench.store.resolve(target))
        trace = ""
        if build:
            trace = bench.evaluator(Measurement(dataset=dataset)).check(architecture).trace
        with dataset_progress() as progress:
            bench.catalogue.fill(progress)
        report = bench.novelty_index().check(
            architecture.source, leave_out=own, parent=parent, trace=trace
        )
        if as_json:
            typer.echo(report.model_dump_json(indent=2))
            return
        lines = describe_novelty(bench.store, report)
    verdict = "novel" if report.is_novel else "a duplicate"
    typer.echo(f"{verdict}; a near-duplicate from similarity {report.threshold} on")
    typer.echo("\n".join(lines))


datasets = typer.Typer(help="List the data sets, or fetch one.", invoke_without_command=True)


@datasets.callback()
def list_datasets(context: typer.Context) -> None:
    """List the data sets and whether they can be used."""
    from deltanas_mcp.folders import cache_folder, data_source
    from deltanas_tools.datasets import availability, names

    if context.invoked_subcommand is None:
        for name in names():
            typer.echo(f"{name:<16} {availability(name, cache_folder(), data_source())}")


@datasets.command()
def fetch(name: Annotated[str, typer.Argument(help="Name of the data set.")]) -> None:
    """Prepare a data set, downloading it where need be."""
    from deltanas_mcp.cli.dataset_progress import dataset_progress
    from deltanas_mcp.folders import cache_folder
    from deltanas_mcp.wiring import prepare_dataset

    with dataset_progress() as progress:
        ready = prepare_dataset(name, download=True, progress=progress)
    typer.echo(f"{ready.name} is ready in {cache_folder()}")


def _filter() -> None:
    from deltanas_mcp.cli.line_filter import filter_lines

    for answer in filter_lines(sys.stdin.buffer):
        typer.echo(answer)


def _read(path: Path) -> str:
    from deltanas_repo_store.errors import ConfigError

    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read the delta {path}: {error.strerror}") from error
    # A byte that is no UTF-8 is the answer's fault, found where its line is compared.
    return data.decode(errors="replace")


def _find(store: "Store", target: str) -> "tuple[Architecture, Pending | None]":
    """Return the network that ``target`` names, and its pending candidate, if it is one."""
    from deltanas_agent.submit import applied

    pending = store.find_pending(target)
    if pending is None:
        return store.get(store.resolve(target)), None
    return applied(store, pending), pending
