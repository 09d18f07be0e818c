"""Commands about jobs: jobs list, show, watch, cancel."""

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, JsonOption, StoreOption

if TYPE_CHECKING:
    from deltanas_mcp.jobs import Job, Jobs, JobState

jobs = typer.Typer(
    help="Work that was started in the background, by a server or by whoever asked it.",
    no_args_is_help=True,
)
JobArgument = Annotated[str, typer.Argument(help="Id of the job; `deltanas jobs list` has it.")]
LinesOption = Annotated[int, typer.Option("--lines", "-n", min=0, help="Lines of its log.")]
MAX_CHARS = 2000
LOOK_SECONDS = 0.2


class State(StrEnum):
    """What a job can be in."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(jobs, name="jobs")


@jobs.command("list")
def list_jobs(
    store: StoreOption = DEFAULT_STORE,
    state: Annotated[State | None, typer.Option(help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List jobs of all owners, the newest first."""
    import json

    wanted = cast("JobState | None", state and state.value)
    found = _jobs(store).list(owner=None, state=wanted, limit=limit)
    if as_json:
        typer.echo(json.dumps([each.model_dump(mode="json") for each in found], indent=2))
        return
    if not found:
        typer.echo("No such jobs." if state else "No jobs yet.")
    for each in found:
        typer.echo(_line(each))


@jobs.command()
def show(
    job_id: JobArgument,
    store: StoreOption = DEFAULT_STORE,
    lines: LinesOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Show a job: what it is asked for, how far it is or how it ended, and its log."""
    there = _jobs(store)
    job = there.get(job_id, owner=None)
    if as_json:
        typer.echo(job.model_dump_json(indent=2))
        return
    typer.echo("\n".join(_facts(job)))
    if log := there.log(job_id, owner=None, lines=lines):
        typer.echo(f"\nend of its log\n{log}")


@jobs.command()
def watch(
    job_id: JobArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False
) -> None:
    """Show how far a job is until it ends. Ctrl-C ends the watching, and not the job."""
    try:
        job = _watched(_jobs(store), job_id)
    except KeyboardInterrupt:
        from deltanas_mcp.cli.training import INTERRUPTED

        typer.echo(f"\nThe job goes on; `deltanas jobs cancel {job_id}` ends it.", err=True)
        raise typer.Exit(code=INTERRUPTED) from None
    typer.echo(job.model_dump_json(indent=2) if as_json else "\n".join(_facts(job)))
    raise typer.Exit(code=0 if job.state == "done" else 1)


@jobs.command()
def cancel(
    job_id: JobArgument, store: StoreOption = DEFAULT_STORE, as_json: JsonOption = False
) -> None:
    """End a job and all that it started; what it finished stays in the store."""
    job = _jobs(store).cancel(job_id, owner=None)
    typer.echo(job.model_dump_json(indent=2) if as_json else _line(job))


def _jobs(store: Path) -> "Jobs":
    from deltanas_mcp.jobs import Jobs
    from deltanas_repo_store.errors import StoreError

    if not store.is_dir():
        raise StoreError(f"there is no store at {store}; `deltanas init {store}` makes one")
    return Jobs(store)


def _watched(there: "Jobs", job_id: str) -> "Job":
    """Return a job once it has ended; a bar on stderr shows it, or lines where no terminal is."""
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True, highlight=False, markup=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        TimeElapsedColumn(),
    )
    said = ""
    with Progress(*columns, console=console, disable=not console.is_terminal) as view:
        bar = view.add_task("", total=None, left="")
        while True:
            job = there.get(job_id, owner=None)
            words = _words(job)
            left = job.eta_seconds(datetime.now(UTC))
            view.update(
                bar,
                description=words,
                completed=job.progress,
                total=job.total,
                left="" if left is None else f"{_duration(left)} left",
            )
            if words != said and not console.is_terminal:
                console.print(words, soft_wrap=True)
            if job.ended:
                return job
            said = words
            time.sleep(LOOK_SECONDS)


def _line(job: "Job") -> str:
    when = f"{job.created_at.astimezone():%Y-%m-%d %H:%M}"
    return f"{job.id}  {when}  {job.kind:<8}  {job.device:<6}  {_words(job)}"


def _words(job: "Job") -> str:
    words: list[str] = [job.state]
    if job.queue_position is not None:
        words.append(f"number {job.queue_position}")
    if job.state == "running" and job.total and job.total > 1:
        words.append(f"{job.progress:g} of {job.total:g}")
    if said := _cleaned(job.error or job.message):
        words += [said] if said != job.state else []
    return ", ".join(words)


def _facts(job: "Job") -> list[str]:
    import json

    moments = (("asked for", job.created_at), ("begun", job.started_at), ("ended", job.ended_at))
    return [
        f"job        {job.id}",
        f"kind       {job.kind} on {job.device}, of {_cleaned(job.owner)}",
        *(f"{what:<10} {at.astimezone():%Y-%m-%d %H:%M:%S}" for what, at in moments if at),
        f"state      {_words(job)}",
        f"arguments  {json.dumps(job.arguments)}",
        *([] if job.result is None else [f"result     {json.dumps(job.result, indent=2)}"]),
    ]


def _cleaned(text: str) -> str:
    """Return a text that models and candidates may have had a part in, fit for a terminal."""
    from deltanas_repo_store.messages import clean_line

    return clean_line(text, MAX_CHARS)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
