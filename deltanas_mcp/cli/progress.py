"""The view of a run: a bar where there is a terminal, a line per answer everywhere."""

from collections.abc import Generator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from deltanas_agent.events import (
    AnswerEnded,
    ArmSpent,
    BaselineMeasured,
    Begun,
    Event,
    NoiseFound,
    Replicated,
    SlotBegun,
    SlotSkipped,
    Tuned,
    Tuning,
)
from deltanas_mcp.cli.tables import console, print_outcome
from deltanas_repo_store.records import Kept


class RunView:
    """Turns the loop's events into what a person sees."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._kept = self._rejected = 0
        self._best = 0.0
        self._baselines: TaskID = progress.add_task("baselines", total=None)
        self._slots: TaskID = progress.add_task("candidates", total=None, start=False)

    def __call__(self, event: Event) -> None:
        """Show one event."""
        match event:
            case Begun():
                self._progress.update(self._baselines, total=event.num_baselines)
                self._progress.update(self._slots, total=event.num_candidates)
            case BaselineMeasured():
                self._measured(event)
            case NoiseFound():
                self._found(event)
            case Replicated():
                self._replicated(event)
            case SlotBegun():
                self._progress.start_task(self._slots)
                self._describe(f"cycle {event.cycle}, candidate {event.index}, from {event.parent}")
            case AnswerEnded():
                self._ended(event)
            case Tuning():
                self._progress.update(
                    self._slots, description=f"tuning after cycle {event.cycle} · {event.words}"
                )
            case Tuned():
                verdict = "is used from now on" if event.promoted else "is kept and not used"
                self._progress.console.print(f"adapter {event.adapter} {verdict}: {event.reason}")
            case ArmSpent():
                self._progress.console.print(f"arm {event.arm} rests: {event.reason}")
            case SlotSkipped():
                self._progress.advance(self._slots)

    def _measured(self, event: BaselineMeasured) -> None:
        self._progress.advance(self._baselines)
        if event.evaluation is None:
            self._progress.console.print(
                f"baseline {event.name} cannot be measured on {event.dataset}; left out"
            )
            return
        self._best = max(self._best, event.evaluation.accuracy)
        self._progress.console.print(
            f"baseline {event.name:<20} {event.evaluation.accuracy:.4f} on {event.dataset}"
        )

    def _found(self, event: NoiseFound) -> None:
        if event.noise_floor is None:
            text = "unknown: replication.seeds is 1, so any gain counts"
        else:
            text = f"{event.noise_floor:.4f}: a smaller gain is luck"
        text = f"noise floor of {event.dataset} {text}"
        self._progress.console.print(text)

    def _replicated(self, event: Replicated) -> None:
        self._progress.console.print(
            f"{event.name:<12} {event.first:.4f} becomes {event.mean:.4f}, "
            f"the mean over {event.num_seeds} seeds"
        )

    def _ended(self, event: AnswerEnded) -> None:
        if isinstance(event.outcome, Kept):
            self._kept += 1
            self._best = max(self._best, event.outcome.evaluation.accuracy)
        else:
            self._rejected += 1
        print_outcome(self._progress.console, event.outcome)
        if event.slot_ended:
            self._progress.advance(self._slots)
            self._describe("candidates")

    def _describe(self, what: str) -> None:
        counts = f"{self._kept} kept, {self._rejected} rejected, best {self._best:.4f}"
        self._progress.update(self._slots, description=f"{what} · {counts}")


@contextmanager
def run_view() -> Generator[RunView]:
    """Show a run while the block works on it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield RunView(progress)
