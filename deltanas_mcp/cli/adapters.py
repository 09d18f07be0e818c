"""Commands about LoRA adapters: adapters list, show, promote, rollback, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, JsonOption, StoreOption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deltanas_repo_store.adapters import AdapterEntry, AdapterId, Promotion

adapters = typer.Typer(
    help="The adapters of runs: how they fared, where they come from, which are in use.",
    no_args_is_help=True,
)
NameArgument = Annotated[str, typer.Argument(help="An adapter, such as RUN/c03, or its id.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for those who look later.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(adapters, name="adapters")


@adapters.command("list")
def list_adapters(
    run: Annotated[str | None, typer.Argument(help="Only this run's, and what it used.")] = None,
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """List adapters, cycle by cycle; a star marks what a run uses."""
    import json

    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.adapters import Adapters

    with open_store(store) as opened:
        shelf = Adapters(opened)
        entries = shelf.entries(run)
        runs = [run] if run else sorted({each.key.run for each in entries})
        promotions = {each: shelf.promotions(each) for each in runs}
        names = {each.id: each.name for each in shelf.entries()}
    if as_json:
        listed = {
            "adapters": [each.model_dump(mode="json") for each in entries],
            "promotions": {
                each: [made.model_dump(mode="json") for made in promotions[each]] for each in runs
            },
        }
        typer.echo(json.dumps(listed, indent=2))
        return
    _print_table(entries, {used[-1].adapter for used in promotions.values() if used}, names)
    if run is not None:
        _print_history(run, promotions[run], names)


@adapters.command()
def show(name: NameArgument, store: StoreOption = DEFAULT_STORE) -> None:
    """Show an adapter: how it fared, against what, and the adapters it was tuned from."""
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.adapters import Adapters
    from deltanas_repo_store.messages import clean_line

    with open_store(store) as opened:
        shelf = Adapters(opened)
        entry = shelf.find(name)
        known = {each.id: each for each in shelf.entries()}
    record, names = entry.record, {each.id: each.name for each in known.values()}
    trial, before = record.trial, record.previous_trial
    lines = [
        f"adapter      {entry.name}",
        f"id           {entry.id}",
        f"made         {_day(entry.made)}",
        f"model        {clean_line(record.base_model, 200)}",
        f"corpus       {record.num_examples} examples, {record.corpus}",
        f"loss         {record.loss:.4f}",
        f"held out     {trial.num_answers} answers to the briefs {trial.briefs[:10]}",
        f"effective    {trial.num_effective} of {trial.num_answers} ({trial.effective:.2f}); "
        f"before {before.num_effective} of {before.num_answers} ({before.effective:.2f})",
        f"improvement  {trial.mean_improvement:+.4f}; before {before.mean_improvement:+.4f}",
        f"against      {_called(record.previous, names)}",
        f"verdict      {'promoted' if record.promoted else 'not promoted'}: "
        f"{clean_line(record.verdict, 1000)}",
    ]
    above: AdapterEntry | None = entry
    while above is not None:
        tuned_from = above.record.tuned_from
        lines.append(f"tuned from   {_called(tuned_from, names)}")
        above = known.get(tuned_from) if tuned_from else None
    typer.echo("\n".join(lines))


@adapters.command()
def promote(
    name: NameArgument,
    store: StoreOption = DEFAULT_STORE,
    run: Annotated[str | None, typer.Option(help="The run, where it is not its own.")] = None,
    reason: ReasonOption = "promoted by hand",
) -> None:
    """Let a run use an adapter from its next cycle on."""
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.adapters import Adapters

    with open_store(store) as opened:
        shelf = Adapters(opened)
        entry = shelf.find(name)
        run = run or entry.key.run
        used = shelf.promotions(run)
        expected = used[-1].adapter if used else None
        shelf.promote(run, entry.id, expected=expected, reason=reason)
    typer.echo(f"{run} uses {entry.name} now; `deltanas adapters rollback {run}` goes back.")


@adapters.command()
def rollback(
    run: Annotated[str, typer.Argument(help="The run.")],
    store: StoreOption = DEFAULT_STORE,
    reason: ReasonOption = "rolled back by hand",
) -> None:
    """Let a run use what it used before; the first of all was the untuned model."""
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.adapters import Adapters

    with open_store(store) as opened:
        entry = Adapters(opened).roll_back(run, reason=reason)
    typer.echo(f"{run} uses {entry.name if entry else 'the untuned model'} again.")


@adapters.command()
def export(
    name: NameArgument,
    folder: Annotated[Path, typer.Argument(help="Where nothing is yet.")],
    store: StoreOption = DEFAULT_STORE,
) -> None:
    """Write an adapter into a folder, as PEFT and servers of language models load it."""
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.adapters import Adapters

    with open_store(store) as opened:
        shelf = Adapters(opened)
        entry = shelf.find(name)
        shelf.export(entry.id, folder)
    typer.echo(f"Wrote {entry.name} to {folder}.")


def _print_table(
    entries: "Sequence[AdapterEntry]",
    used: "set[AdapterId | None]",
    names: "dict[AdapterId, str]",
) -> None:
    if not entries:
        typer.echo("No adapter yet: a run that tunes its model keeps one for each cycle.")
        return
    rows = [("  adapter", "tuned from", "effective", "before", "improvement", "loss")]
    for each in entries:
        trial, before = each.record.trial, each.record.previous_trial
        rows.append(
            (
                f"{'*' if each.id in used else ' '} {each.name}",
                _called(each.record.tuned_from, names),
                f"{trial.num_effective}/{trial.num_answers}",
                f"{before.num_effective}/{before.num_answers}",
                f"{trial.mean_improvement:+.4f}",
                f"{each.record.loss:.4f}",
            )
        )
    left, middle = (max(len(row[at]) for row in rows) for at in (0, 1))
    for adapter, tuned_from, effective, previous, improvement, loss in rows:
        typer.echo(
            f"{adapter:<{left}}  {tuned_from:<{middle}}  {effective:>9}  {previous:>9}  "
            f"{improvement:>11}  {loss:>7}"
        )


def _print_history(
    run: str, promotions: "Sequence[Promotion]", names: "dict[AdapterId, str]"
) -> None:
    from deltanas_repo_store.messages import clean_line

    if not promotions:
        typer.echo(f"{run} uses the untuned model.")
    for each in promotions:
        used = _called(each.adapter, names)
        typer.echo(f"{_day(each.made)}  {used}  {clean_line(each.reason, 200)}".rstrip())


def _called(adapter: "AdapterId | None", names: "dict[AdapterId, str]") -> str:
    return "the untuned model" if adapter is None else names.get(adapter, adapter[:10])


def _day(seconds: int) -> str:
    """Return a time as people read it, UTC."""
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
