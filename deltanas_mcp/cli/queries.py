"""Questions about a store: leaderboard, log, lineage, diff, blame, bisect. All with ``--json``."""

import shutil
import subprocess
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, JsonOption, StoreOption

if TYPE_CHECKING:
    from deltanas_repo_store.entries import Entry

MAX_TABLES = 12
"""Tasks that have a table each; of more, there is one line each."""
Named = Annotated[str, typer.Argument(help="An id, a baseline, or RUN/c01-003.")]
LimitOption = Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows at most.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (leaderboard, log, lineage, diff, blame, bisect):
        app.command()(command)


def leaderboard(
    store: StoreOption = DEFAULT_STORE,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="One data set.")] = None,
    split: Annotated[str | None, typer.Option(help="search or test.")] = None,
    run: Annotated[str | None, typer.Option(help="Only this run and the baselines.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="So many epochs alone.")] = None,
    max_params: Annotated[
        int | None, typer.Option(min=0, help="Trainable parameters at most.")
    ] = None,
    source: Annotated[
        str, typer.Option(help="Who measured: ours, or a publisher such as lemur.")
    ] = "ours",
    pareto: Annotated[
        bool, typer.Option("--pareto", help="Only what none beats with as few parameters.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Rows a table.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Print the best architectures of each task."""
    from deltanas_mcp.cli.tables import print_leaderboard
    from deltanas_mcp.settings import parse_wanted
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.queries import leaderboard as standings_of

    wanted = parse_wanted(
        dataset=dataset,
        split=split,
        run=run,
        epochs=epochs,
        max_params=max_params,
        source="" if source == "ours" else source,
        pareto=pareto,
        limit=limit + (not as_json),  # one more tells that there are more
    )
    with open_store(store) as opened:
        if run is not None:
            opened.run_config(run)
        standings = standings_of(opened, wanted)
    if as_json:
        _print_json([each.model_dump(mode="json") for each in standings])
    else:
        print_leaderboard(standings, limit=limit, max_tables=MAX_TABLES)


def log(
    run: Annotated[str | None, typer.Argument(help="Only this run's candidates.")] = None,
    store: StoreOption = DEFAULT_STORE,
    limit: LimitOption = 100,
    status: Annotated[
        str | None, typer.Option(help="baseline, kept or rejected; needs --json.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the lineage as git does; the command is printed first, to be used with other options."""
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.queries import newest

    with open_store(store) as opened:
        if run is not None:
            opened.run_config(run)
        if as_json:
            entries = newest(opened, run=run, status=_status(status), limit=limit)
            _print_json([_as_json(each) for each in entries])
            return
    if status is not None:
        raise typer.BadParameter("works with --json alone", param_hint="--status")
    what = (
        ["--exclude=refs/adapters/*", "--all"]
        if run is None
        else [f"--glob=refs/heads/delta/{run}/*", f"--glob=refs/rejected/{run}/*"]
    )
    command = ["git", "-C", str(store), "log", "--graph", "--oneline", f"-n{limit}", *what]
    typer.secho(f"$ {' '.join(command)}", dim=True, err=True)
    git = shutil.which("git") or "git"
    raise typer.Exit(code=subprocess.run([git, *command[1:]]).returncode)


def lineage(
    name: Named,
    store: StoreOption = DEFAULT_STORE,
    limit: LimitOption = 100,
    as_json: JsonOption = False,
) -> None:
    """Show where an architecture comes from, what each step gained, and what was made of it."""
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.queries import ancestors, descendants

    with open_store(store) as opened:
        architecture_id = opened.resolve(name)
        above = ancestors(opened, architecture_id)
        below = descendants(opened, architecture_id, limit=limit + 1)
    if as_json:
        _print_json(
            {
                "ancestors": [_as_json(each) for each in above],
                "descendants": [
                    {"depth": depth, **_as_json(each)} for depth, each in below[:limit]
                ],
                "complete": len(below) <= limit,
            }
        )
        return
    for step, each in enumerate(above):
        mark = "* " if each.id == architecture_id else "  "
        typer.echo(f"{mark}{'  ' * step}{_line(each)}")
    for depth, each in below[:limit]:
        typer.echo(f"  {'  ' * (len(above) - 1 + depth)}{_line(each)}")
    if len(below) > limit:
        typer.echo(f"  … and more (--limit {limit})", err=True)


def diff(
    old: Named,
    new: Annotated[str, typer.Argument(help="The architecture to compare with.")],
    store: StoreOption = DEFAULT_STORE,
    as_json: JsonOption = False,
) -> None:
    """Show what turns one architecture into another, hyper-parameters included."""
    from deltanas_mcp.cli.deltas import print_delta
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.delta import render_delta

    with open_store(store) as opened:
        ids = opened.resolve(old), opened.resolve(new)
        before, after = (opened.get(each) for each in ids)
    source = render_delta(before.source, after.source)
    hparams = render_delta(before.hparams_text(), after.hparams_text(), "hparams.json")
    if as_json:
        _print_json({"old": ids[0], "new": ids[1], "source": source, "hparams": hparams})
    else:
        print_delta(source + hparams)


def blame(name: Named, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False) -> None:
    """Show which ancestor's delta brought each line of a network."""
    from deltanas_mcp.cli.deltas import printable
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.lineage import blame as origins

    with open_store(store) as opened:
        lines = origins(opened, opened.resolve(name))
    if as_json:
        _print_json([each.model_dump(mode="json") for each in lines])
        return
    width = max((len(each.name) for each in lines), default=0)
    for number, each in enumerate(lines, start=1):
        gain = "" if each.gain is None else f"{each.gain:+.4f}"
        typer.echo(f"{each.name:<{width}}  {gain:>7}  {number:>4}  {printable(each.text)}")


def bisect(
    name: Named,
    store: StoreOption = DEFAULT_STORE,
    good: Annotated[
        str | None, typer.Option(help="An ancestor to begin at; its baseline where left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find where along a lineage the accuracy fell, from what was measured."""
    from deltanas_mcp.wiring import open_store
    from deltanas_repo_store.lineage import falls

    with open_store(store) as opened:
        found = falls(opened, opened.resolve(name), since=opened.resolve(good) if good else None)
    if as_json:
        _print_json(found.model_dump(mode="json"))
        return
    for step in found.steps:
        typer.echo(
            f"{step.accuracy:.4f}  {step.change:+.4f}  {step.verdict:<8} {step.name}  "
            f"{step.subject}"
        )
    if not found.steps:
        typer.echo("It has no step that was measured: a baseline, or never trained.")
    elif found.worst is None:
        typer.echo("The accuracy fell at no step beyond the noise floor.")
    else:
        typer.echo(f"It fell most at {found.worst}: deltanas show {found.worst} --store {store}")


def _line(entry: "Entry") -> str:
    """Return one line about an architecture."""
    if entry.status == "baseline":
        return f"{entry.id[:10]} {entry.name}"
    if entry.status == "rejected":
        return f"{entry.id[:10]} {entry.name} {entry.stage}: {entry.code} · {entry.subject}"
    gain = entry.accuracy - entry.parent_accuracy
    return f"{entry.id[:10]} {entry.name} {entry.accuracy:.4f} ({gain:+.4f}) · {entry.subject}"


def _as_json(entry: "Entry") -> dict[str, Any]:
    gain = entry.accuracy - entry.parent_accuracy if entry.status == "kept" else None
    return {"name": entry.name, **entry.model_dump(mode="json"), "gain": gain}


def _status(text: str | None) -> Literal["baseline", "kept", "rejected"] | None:
    match text:
        case None | "baseline" | "kept" | "rejected":
            return text
    raise typer.BadParameter("baseline, kept or rejected", param_hint="--status")


def _print_json(value: object) -> None:
    import json

    typer.echo(json.dumps(value, indent=2))
