"""Runs without a search: outcomes as a test wants them, in a store in memory."""

from collections.abc import Iterable
from datetime import UTC, datetime

from deltanas_agent.report.facts import Facts, read_facts
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    Evaluation,
    Kept,
    Rejection,
    Stage,
)
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from tests.records_for_tests import evaluation, kept, pending, rejected

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOSTILE = "</script><img src=x onerror=alert(1)>\"'`{{7*7}}\u2028\u202e\x00\x1b[31m]]>-->&amp;"
"""What a model could write to break out of a page, or to show another text than there is."""


class Runs:
    """A store with three baselines and runs that tests add to."""

    def __init__(self) -> None:
        self.store = Store(MemoryRepository(), clock=lambda: NOW)
        self.baselines = [
            self.store.import_baseline(name, Architecture(source=f"width = {at}\n", hparams={}))
            for at, name in enumerate(("ash", "birch", "cedar"), start=1)
        ]

    def begin(self, run: str, **config: object) -> None:
        """Begin a run."""
        self.store.begin_run(run, {"kind": "search", "config": config})

    def measure(self, name: int, *accuracies: float, split: str = "search") -> None:
        """Give a baseline an accuracy for each seed."""
        self.score(self.baselines[name], *accuracies, split=split)

    def score(self, of: ArchitectureId, *accuracies: float, split: str = "search") -> None:
        """Give an architecture an accuracy for each seed."""
        for seed, accuracy in enumerate(accuracies, start=1):
            made = evaluation(accuracy, seed=seed)
            self.store.add_evaluation(of, made.model_copy(update={"split": split}))

    def keep(
        self,
        run: str,
        index: int,
        *,
        accuracy: float = 0.9,
        parent_accuracy: float = 0.85,
        noise_floor: float | None = 0.02,
        parent: ArchitectureId | None = None,
        cycle: int = 1,
        summary: str = "Widen the stem",
        line: str = "",
        evaluation_changes: Iterable[tuple[str, object]] = (),
        output_tokens: int = 0,
    ) -> ArchitectureId:
        """Add a candidate that was trained, with ``line`` added to its parent's source."""
        above = self.baselines[0] if parent is None else parent
        begun = pending(above, run=run, index=index, summary=summary)
        key = begun.key.model_copy(update={"cycle": cycle})
        proposal = begun.proposal.model_copy(update={"output_tokens": output_tokens})
        begun = begun.model_copy(update={"key": key, "proposal": proposal})
        self.store.reserve(begun)
        source = self.store.get(above).source + (line or f"# {run} {cycle} {index}") + "\n"
        made = kept(begun, architecture=Architecture(source=source, hparams={}))
        measured = evaluation(accuracy).model_copy(update=dict(evaluation_changes))
        return self.store.finish(_with(made, measured, parent_accuracy, noise_floor))

    def refuse(
        self,
        run: str,
        index: int,
        *,
        stage: Stage = "patch",
        code: str = "not-found",
        message: str = "no such line",
        summary: str = "Widen the stem",
        attempt: int = 1,
        answer: str = "-old\n+new\n",
    ) -> ArchitectureId:
        """Add an answer that a gate closed on."""
        begun = pending(
            self.baselines[0],
            run=run,
            index=index,
            attempt=attempt,
            summary=summary,
            answer=answer,
        )
        self.store.reserve(begun)
        reason = Rejection(stage=stage, code=code, message=message)
        return self.store.finish(rejected(begun).model_copy(update={"rejection": reason}))

    def facts(self, *runs: str, top: int = 3) -> Facts:
        """Read what a report says of them."""
        return read_facts(self.store, runs, read_at=NOW, version="0", top=top)


def _with(
    made: Kept, measured: Evaluation, parent_accuracy: float, noise_floor: float | None
) -> Kept:
    return made.model_copy(
        update={
            "evaluation": measured,
            "parent_accuracy": parent_accuracy,
            "noise_floor": noise_floor,
        }
    )


def compared() -> Runs:
    """Two runs: of ``night`` all is trained, of ``day`` nearly nothing; with hostile texts."""
    runs = Runs()
    runs.begin("night", note=HOSTILE)
    runs.begin("day")
    for at in range(3):
        runs.measure(at, 0.84 + at / 100, 0.85 + at / 100)
    above = None
    for index in range(1, 13):
        above = runs.keep(
            "night",
            index,
            accuracy=0.80 + index / 100,
            parent_accuracy=0.79 + index / 100,
            parent=above if index % 3 else None,
            cycle=1 + index // 6,
            summary=HOSTILE if index == 2 else "Widen the stem",
            line=f"# {HOSTILE}" if index == 2 else "",
            output_tokens=10,
        )
    for index in range(1, 12):
        runs.refuse("day", index, message=HOSTILE, summary=HOSTILE, answer=f"+{HOSTILE}\n")
    runs.keep("day", 12, accuracy=0.7, parent_accuracy=0.8)
    return runs
