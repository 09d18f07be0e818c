"""The works of a worker: one warm workbench, and what each kind of job does on it."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import JsonValue

from deltanas_mcp.wiring import Workbench, open_workbench
from deltanas_mcp.work.finetune import finetune
from deltanas_mcp.work.propose import Proposers
from deltanas_mcp.work.records import (
    FinetuneArguments,
    JobKind,
    ProposeArguments,
    Report,
    SearchArguments,
    TrainArguments,
)
from deltanas_mcp.work.search import search
from deltanas_mcp.work.train import train


class Works:
    """Performs jobs one after the other. What they start stays warm until the end."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._proposers = Proposers(bench)

    def perform(
        self, kind: JobKind, arguments: Mapping[str, JsonValue], *, device: str, report: Report
    ) -> dict[str, JsonValue]:
        """Do the work of a job, and return its result.

        Raises:
            DeltaNasError: it cannot be done, in words that say why and what to do.
            KeyboardInterrupt: the worker was told to stop; what is finished is in the store.
        """
        match kind:
            case "train":
                result = train(
                    self._bench, TrainArguments.model_validate(arguments), device, report
                )
                return {"training": result.model_dump(mode="json")}
            case "propose":
                proposal = self._proposers.propose(
                    ProposeArguments.model_validate(arguments), device, report
                )
                return {"proposal": proposal.model_dump(mode="json")}
            case "search":
                found = search(
                    self._bench, SearchArguments.model_validate(arguments), device, report
                )
                return {"search": found.model_dump(mode="json")}
            case "finetune":
                tuned = finetune(self._bench, FinetuneArguments.model_validate(arguments), report)
                return {"tuning": tuned.model_dump(mode="json")}


@contextmanager
def open_works(store: Path) -> Generator[Works]:
    """Open the store at ``store`` to work on it; ends every process that was started."""
    with open_workbench(store) as bench:
        yield Works(bench)
