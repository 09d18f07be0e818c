"""The commands `study ...`: questions about the method, answered from what was measured."""

from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, JsonOption, StoreOption

if TYPE_CHECKING:
    from rich.console import Console

    from deltanas_agent.studies.proxy_study import (
        Correlation,
        Estimate,
        FieldResult,
        Overall,
        ProxyStudy,
    )

_Target = Literal["training", "network"]
_WIDTH = 240
"""Of tables that are written to a file: no cell is broken."""

studies = typer.Typer(
    help="Study the method itself, on what was measured. Nothing is trained.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(studies, name="study")


@studies.callback()
def study() -> None:
    """Study the method itself, on what was measured. Nothing is trained."""


@studies.command()
def proxy(
    store: StoreOption = DEFAULT_STORE,
    source: Annotated[
        str, typer.Option(help="Who measured: ours, or a publisher such as lemur.")
    ] = "ours",
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="One data set.")] = None,
    short: Annotated[int, typer.Option(min=1, help="Epochs of the plain proxy.")] = 1,
    long: Annotated[int, typer.Option(min=2, help="Epochs of the long training.")] = 50,
    target: Annotated[
        str,
        typer.Option(
            help="What is foretold: training (how far the same training goes) or network (the "
            "best of the network's long trainings)."
        ),
    ] = "training",
    top: Annotated[int, typer.Option(min=1, help="So many count as the best.")] = 10,
    resamples: Annotated[
        int, typer.Option(min=1000, help="Of the bootstrap; fewer can tell nothing apart.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of draws and resamples.")] = 42,
    as_json: JsonOption = False,
) -> None:
    """Compare cheap measurements with long training: how well does each rank the networks?

    Within each data set, never across them. Intervals are of 95 %, p-values Holm's over data sets.
    """
    from deltanas_agent.studies.proxy_study import Design, study_proxies
    from deltanas_agent.studies.trainings import read_fields
    from deltanas_mcp.cli.dataset_progress import dataset_progress
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.queries import OURS

    if target not in get_args(_Target):
        raise typer.BadParameter("training or network", param_hint="--target")
    design = Design(
        short=short,
        long=long,
        target="network" if target == "network" else "training",
        top=top,
        resamples=resamples,
        seed=seed,
    )
    with open_store(store) as opened, dataset_progress() as progress:
        who = OURS if source == "ours" else source
        fields = read_fields(opened, who, long=long, dataset=dataset, progress=progress)
        found = study_proxies(fields, design, progress)
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print(found)


def _print(found: "ProxyStudy") -> None:
    """Print tables that are Markdown as well."""
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDTH
    for line in _introduction(found):
        console.print(line, soft_wrap=True)
    _print_overall(console, found)
    for field in found.fields:
        _print_field(console, field)
    if found.left_out:
        console.print(f"Too few networks: {', '.join(found.left_out)}.")


def _introduction(found: "ProxyStudy") -> list[str]:
    design = found.design
    what = {
        "training": "how far the same training goes",
        "network": "the best of the network's long trainings",
    }
    plain = found.overall[0]
    lines = [
        f"Foretold: {what[design.target]}, {design.long} epochs. Intervals: 95 %, bootstrap of "
        f"{found.unit} ({design.resamples} resamples).",
        f"Plain accuracy, {plain.proxy}: Spearman {_estimate(plain.spearman)} on the average of "
        f"{_num_fields(plain.num_fields)}.",
    ]
    better = [each.proxy for each in found.overall if each.verdict == "better"]
    lines.append(
        f"Rank better than it, beyond chance: {'; '.join(better)}."
        if better
        else "No proxy ranks better than it beyond chance."
    )
    return lines


def _num_fields(count: int) -> str:
    return f"{count} data set" + ("s" if count != 1 else "")


def _print_overall(console: "Console", found: "ProxyStudy") -> None:
    columns = ("epochs", "Spearman", "gain", "p", "better in", "recall", "regret", "equal cost")
    rows = [[each.proxy, *_overall_cells(each)] for each in found.overall]
    _table(console, "Means over data sets; gains over plain accuracy", columns, rows)


def _overall_cells(each: "Overall") -> list[str]:
    return [
        f"{each.epochs:.2f}".removesuffix(".00"),
        _estimate(each.spearman),
        _estimate(each.gain, "+"),
        f"{each.p_corrected:.3f}",
        f"{each.num_better} of {each.num_fields}",
        _estimate(each.recall_gain, "+"),
        _estimate(each.regret_gain, "+", 3),
        _estimate(each.harvest_gain, "+", 3),
    ]


def _print_field(console: "Console", field: "FieldResult") -> None:
    columns = ("n", "Spearman", "p", "Kendall", "p", f"recall@{field.top}", "regret", "gain")
    rows = [
        [
            each.proxy,
            str(each.num_networks),
            *_correlation(each.spearman),
            *_correlation(each.kendall),
            _estimate(each.recall),
            _estimate(each.regret, "", 3),
            _estimate(each.gain, "+"),
        ]
        for each in field.proxies
    ]
    title = (
        f"{field.field}: {field.num_networks} networks of {field.num_families} families, "
        f"{field.num_trainings} trainings"
    )
    _table(console, title, columns, rows)


def _correlation(found: "Correlation") -> tuple[str, str]:
    return _estimate(found.estimate), f"{found.p_corrected:.3g}"


def _estimate(found: "Estimate", sign: str = "", digits: int = 2) -> str:
    value = f"{found.value:{sign}.{digits}f}"
    if found.interval is None:
        return value
    low, high = found.interval
    return f"{value} [{low:.{digits}f}, {high:.{digits}f}]"


def _table(console: "Console", title: str, columns: tuple[str, ...], rows: list[list[str]]) -> None:
    """Print a table as Markdown."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.MARKDOWN)
    table.add_column("proxy")
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
