"""How far a candidate came through the gates, and the outcome that this makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from deltanas_agent.config import Novelty
from deltanas_repo_store.entries import in_words
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    HParams,
    Kept,
    NoveltyReport,
    Pending,
    Rejected,
    Rejection,
    Stage,
)
from deltanas_tools.apply_patch import Applied
from deltanas_tools.train_one_epoch import Trained


class Closed(Exception):
    """A gate closed."""

    def __init__(self, stage: Stage, code: str, message: str, output: str = "") -> None:
        super().__init__(message)
        self.rejection = Rejection(stage=stage, code=code, message=message)
        self.output = output


@dataclass
class Progress:
    """How far a candidate came; what a rejection can still tell."""

    architecture: Architecture | None = None
    delta: str = ""
    trace: str = ""
    relaxations: tuple[str, ...] = ()
    proposed_hparams: HParams = field(default_factory=dict)
    hparams_problems: tuple[str, ...] = ()
    novelty: NoveltyReport | None = None

    def applied(self, applied: Applied) -> None:
        """Note what the answer made of its parent."""
        self.delta, self.relaxations = applied.canonical_diff, applied.relaxations
        self.proposed_hparams = applied.hparams
        self.hparams_problems = applied.hparams_problems


@dataclass(frozen=True)
class Admitted:
    """A candidate that passed the gates before training."""

    pending: Pending
    architecture: Architecture
    progress: Progress
    novelty: NoveltyReport
    parent_accuracy: float
    noise_floor: float | None
    seconds: float
    """Wall time that the gates took."""


def kept(admitted: Admitted, trained: Trained, seconds: float) -> Kept:
    """Return the good end of a candidate, which took ``seconds`` in all."""
    progress = admitted.progress
    return Kept(
        pending=admitted.pending,
        architecture=admitted.architecture,
        delta=progress.delta,
        trace=progress.trace,
        relaxations=progress.relaxations,
        proposed_hparams=progress.proposed_hparams,
        hparams_problems=progress.hparams_problems,
        novelty=admitted.novelty,
        evaluation=trained.evaluation,
        parent_accuracy=admitted.parent_accuracy,
        noise_floor=admitted.noise_floor,
        seconds=seconds,
        output=trained.output,
    )


def rejected(pending: Pending, progress: Progress, closed: Closed, seconds: float) -> Rejected:
    """Return the end of a candidate that a gate closed on, which took ``seconds`` in all."""
    return Rejected(
        pending=pending,
        architecture=progress.architecture,
        delta=progress.delta,
        trace=progress.trace,
        relaxations=progress.relaxations,
        proposed_hparams=progress.proposed_hparams,
        hparams_problems=progress.hparams_problems,
        novelty=progress.novelty,
        rejection=closed.rejection,
        seconds=seconds,
        output=closed.output,
    )


def check_novel(report: NoveltyReport, rules: Novelty, names: Mapping[ArchitectureId, str]) -> None:
    """Close the novelty gate on a duplicate. What is only reported is in the message as well.

    Raises:
        Closed: it is one, by its syntax tree, its computation or its text.
    """
    hints = "".join(f"; {in_words(idea)}" for idea in report.tried)
    if (twin := report.exact_duplicate_of) is not None:
        raise Closed(
            "novelty",
            "exact-duplicate",
            f"the network is {names.get(twin, twin[:12])} in other words; "
            f"change what it computes{hints}",
        )
    if (alike := report.same_computation_as) is not None and rules.same_computation == "refuse":
        raise Closed(
            "novelty",
            "same-computation",
            f"the network runs the same operations on the same shapes as "
            f"{names.get(alike, alike[:12])}; change what it computes{hints}",
        )
    if report.nearest is not None and report.similarity >= report.threshold:
        nearest = names.get(report.nearest, report.nearest[:12])
        fared = f" ({report.neighbours[0].fate})" if report.neighbours else ""
        raise Closed(
            "novelty",
            "near-duplicate",
            f"the source is {report.similarity:.0%} like {nearest}{fared}, and "
            f"{report.threshold:.0%} is too near; change more of it{hints}",
        )
