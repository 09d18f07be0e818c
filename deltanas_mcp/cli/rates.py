"""The command `rates`: how far the answers of a run came, and what they cost."""

from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, JsonOption, StoreOption

if TYPE_CHECKING:
    from deltanas_agent.rates import Cost, Rates


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(rates)


def rates(
    run: Annotated[str, typer.Argument(help="Name of a run.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Print how far a run's answers came, from answered to improved.

    First answers apart from candidates with their retries; shares have 95 % intervals (Wilson).
    """
    from deltanas_agent.rates import Cost
    from deltanas_agent.rates import rates as rates_of
    from deltanas_agent.spending import proposals
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.errors import ConfigError

    with open_store(store) as opened:
        if run not in opened.runs():
            raise ConfigError(
                f"the store has no run {run!r}; it has {', '.join(opened.runs()) or 'none'}"
            )
        found = rates_of(opened.candidates(run))
        cost = Cost.of(list(proposals(opened, run)))
    if as_json:
        import json

        typer.echo(json.dumps({"rates": found.model_dump(), "cost": cost.model_dump()}))
        return
    _print(run, found, cost)


def _print(run: str, found: "Rates", cost: "Cost") -> None:
    from rich.table import Table

    from deltanas_agent.rates import STEPS
    from deltanas_mcp.cli.tables import console

    table = Table(title=f"How far the answers of {run} came", title_justify="left")
    table.add_column("")
    for column in ("first answers", "candidates, with retries"):
        table.add_column(column, justify="right", no_wrap=True)
    for step in STEPS:
        cells = [
            _share(getattr(each, step), each.answered) for each in (found.first, found.with_retries)
        ]
        table.add_row(step, *cells)
    console.print(table)
    console.print(
        f"An answer took {cost.output_tokens:.0f} tokens and {cost.output_lines:.1f} lines on the "
        f"average, and its prompt {cost.input_tokens:.0f} tokens ({cost.answers} answers)."
    )


def _share(count: int, of: int) -> str:
    from deltanas_agent.rates import wilson

    if not of:
        return "-"
    low, high = wilson(count, of)
    return f"{count}  {count / of:4.0%} [{low:.0%}, {high:.0%}]"
