"""The command about the installation: doctor."""

import typer

from deltanas_mcp.cli.app import DEFAULT_STORE, StoreOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(store: StoreOption = DEFAULT_STORE) -> None:
    """Say what works on this machine, and how to mend what does not."""
    from deltanas_mcp.doctor import examine

    marks = {"ok": ("✓", "green"), "note": ("•", "yellow"), "bad": ("✗", "red")}
    bad = False
    for finding in examine(store):
        mark, colour = marks[finding.state]
        typer.echo(f"{typer.style(mark, fg=colour)} {finding.what}")
        if finding.remedy:
            typer.echo(f"    {finding.remedy}")
        bad |= finding.state == "bad"
    if bad:
        raise typer.Exit(code=1)
