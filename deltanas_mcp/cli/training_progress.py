"""The view of a fine-tuning: one bar, where there is a terminal."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from deltanas_tools.finetune_lora.run import Progress as Step


@contextmanager
def training_progress() -> "Generator[Callable[[Step], None]]":
    """Show the steps that are reported while the block runs; on stderr, and a line each elsewhere.

    A line is written for every tenth of the training, so that a log of a night stays readable.
    """
    console = Console(stderr=True, highlight=False)
    columns = (
        TextColumn("fine-tuning"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as view:
        bar = view.add_task("", total=None, loss=float("nan"))

        def report(step: "Step") -> None:
            view.update(bar, completed=step.step, total=step.num_steps, loss=step.loss)
            tenth = max(step.num_steps // 10, 1)
            if not console.is_terminal and step.step % tenth == 0:
                console.print(f"step {step.step} of {step.num_steps}, loss {step.loss:.3f}")

        yield report
