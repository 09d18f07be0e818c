"""How the command line shows a delta: coloured on a terminal, plain text elsewhere."""

import re
import sys

import typer
from rich.console import Console
from rich.text import Text

from deltanas_agent.submit import Submission
from deltanas_tools.apply_patch import Applied

_STYLES = {"+": "green", "-": "red", "@": "cyan"}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def printable(text: str) -> str:
    """Return a line that a model wrote with its control characters spelt out."""
    return _CONTROL.sub(lambda match: repr(match[0])[1:-1], text.removesuffix("\r"))


def print_delta(delta: str) -> None:
    """Print a canonical delta on stdout: to the letter where it goes into a file or a pipe.

    On a terminal, control characters are spelt out: a model wrote them.
    """
    console = Console(highlight=False)
    if not console.is_terminal:
        sys.stdout.write(delta)
        return
    for line in delta.removesuffix("\n").split("\n"):
        is_header = line.startswith(("--- ", "+++ "))
        style = "bold" if is_header else _STYLES.get(line[:1], "")
        console.print(Text(printable(line), style=style), soft_wrap=True)


def print_applied(made: Applied | Submission) -> None:
    """Print on stderr what was read, and what had to be forgiven."""
    typer.echo(f"read as {made.format}", err=True)
    if made.relaxations:
        typer.echo("\n  ".join(["relaxed:", *made.relaxations]), err=True)
    else:
        typer.echo("strictly correct: nothing was relaxed", err=True)
    for name, value in made.hparams.items():
        typer.echo(f"proposes {name} = {value} (kept with the candidate, not used)", err=True)
    for problem in made.hparams_problems:
        typer.echo(f"<hp>: {problem}", err=True)
