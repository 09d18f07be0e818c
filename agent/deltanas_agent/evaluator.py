"""The gates: from a pending candidate to its outcome, in rising order of cost.

The loop, the command line and the MCP server all come through here, so a candidate ends the
same way whoever proposed it.
"""

import time
from dataclasses import dataclass, field

from deltanas_agent.config import Deltas, Measurement
from deltanas_agent.deltas import apply_answer, architecture_of, rejection_of
from deltanas_repo_store.errors import CandidateError
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    Evaluation,
    HParams,
    Kept,
    NoveltyReport,
    Outcome,
    Pending,
    Rejected,
    Rejection,
    Stage,
)
from deltanas_repo_store.store import Store
from deltanas_tools.apply_patch import Applied, Refused
from deltanas_tools.brief import Brief
from deltanas_tools.checks import Build, check_build, check_effective, check_interface
from deltanas_tools.datasets import Dataset
from deltanas_tools.novelty_check import NoveltyIndex
from deltanas_tools.sandbox import Sandbox
from deltanas_tools.train_one_epoch import Trained, batch_size, train_one_epoch


class _Closed(Exception):
    """A gate closed."""

    def __init__(self, stage: Stage, code: str, message: str, output: str = "") -> None:
        super().__init__(message)
        self.rejection = Rejection(stage=stage, code=code, message=message)
        self.output = output


@dataclass
class _Progress:
    """How far a candidate came; what a rejection can still tell."""

    architecture: Architecture | None = None
    delta: str = ""
    relaxations: tuple[str, ...] = ()
    proposed_hparams: HParams = field(default_factory=dict)
    hparams_problems: tuple[str, ...] = ()
    novelty: NoveltyReport | None = None

    def applied(self, applied: Applied) -> None:
        """Note what the answer made of its parent."""
        self.delta, self.relaxations = applied.canonical_diff, applied.relaxations
        self.proposed_hparams = applied.hparams
        self.hparams_problems = applied.hparams_problems


@dataclass
class Evaluator:
    """Measures architectures and evaluates candidates, all under the same conditions."""

    store: Store
    sandbox: Sandbox
    dataset: Dataset
    novelty: NoveltyIndex
    measurement: Measurement
    deltas: Deltas = field(default_factory=Deltas)
    _builds: dict[ArchitectureId, Build] = field(default_factory=dict)

    def measure(self, architecture_id: ArchitectureId) -> Evaluation:
        """Return the architecture's measurement under these conditions, training if need be.

        Raises:
            CandidateError: it does not build, or its training does not end in a score.
        """
        for known in self.store.evaluations(architecture_id):
            if self._comparable(known):
                return known
        architecture = self.store.get(architecture_id)
        check_interface(architecture.source)
        trained = self._train(architecture)
        self.store.add_evaluation(architecture_id, trained.evaluation)
        return trained.evaluation

    def brief(self, architecture: Architecture, refusals: tuple[Rejection, ...] = ()) -> Brief:
        """Return what a proposer is told about editing ``architecture`` for this data set."""
        return Brief(
            parent=architecture,
            dataset=self.dataset.name,
            in_shape=self.dataset.in_shape(batch_size(architecture)),
            num_classes=self.dataset.num_classes,
            refusals=refusals,
        )

    def check(self, architecture: Architecture, parent: ArchitectureId | None = None) -> Build:
        """Take a network through the gates that cost no training.

        Raises:
            BuildError: it lacks the interface, does not build, or computes what ``parent`` does.
        """
        check_interface(architecture.source)
        build = self._build(architecture)
        if parent is not None:
            check_effective(build, self._build_of(parent, self.store.get(parent)))
        return build

    def evaluate(self, pending: Pending) -> Outcome:
        """Take a candidate through the gates. Whatever is wrong with it is in the outcome.

        Raises:
            SandboxError: nothing could be run; the candidate stays pending.
            CandidateError: the *parent* cannot be built or measured.
        """
        started = time.monotonic()
        parent = self.store.get(pending.parent)
        parent_build = self._build_of(pending.parent, parent)
        parent_accuracy = self.measure(pending.parent).accuracy
        progress = _Progress()
        try:
            trained, novelty = self._pass_gates(pending, parent, parent_build, progress)
        except _Closed as closed:
            return Rejected(
                pending=pending,
                architecture=progress.architecture,
                delta=progress.delta,
                relaxations=progress.relaxations,
                proposed_hparams=progress.proposed_hparams,
                hparams_problems=progress.hparams_problems,
                novelty=progress.novelty,
                rejection=closed.rejection,
                seconds=time.monotonic() - started,
                output=closed.output,
            )
        assert progress.architecture is not None
        return Kept(
            pending=pending,
            architecture=progress.architecture,
            delta=progress.delta,
            relaxations=progress.relaxations,
            proposed_hparams=progress.proposed_hparams,
            hparams_problems=progress.hparams_problems,
            novelty=novelty,
            evaluation=trained.evaluation,
            parent_accuracy=parent_accuracy,
            seconds=time.monotonic() - started,
            output=trained.output,
        )

    def _pass_gates(
        self, pending: Pending, parent: Architecture, parent_build: Build, progress: _Progress
    ) -> tuple[Trained, NoveltyReport]:
        stage: Stage = "patch"
        try:
            candidate = self._candidate(pending, parent, progress)
            stage = "build"
            build = self._build(candidate)
            stage = "effective"
            check_effective(build, parent_build)
            stage = "novelty"
            novelty = self.novelty.check(candidate.source)
            progress.novelty = novelty
            _check_novel(novelty)
            stage = "train"
            return self._train(candidate), novelty
        except CandidateError as error:
            raise _Closed(stage, error.code, str(error), error.output) from error

    def _candidate(
        self, pending: Pending, parent: Architecture, progress: _Progress
    ) -> Architecture:
        result = apply_answer(parent, pending.proposal.answer, self.deltas)
        applied = result.applied if isinstance(result, Refused) else result
        if applied is not None:
            progress.applied(applied)
            progress.architecture = architecture_of(applied, parent, self.deltas)
        if isinstance(result, Refused):
            reason = rejection_of(result)
            raise _Closed(reason.stage, reason.code, reason.message)
        assert progress.architecture is not None
        return progress.architecture

    def _build_of(self, architecture_id: ArchitectureId, architecture: Architecture) -> Build:
        if architecture_id not in self._builds:
            check_interface(architecture.source)
            self._builds[architecture_id] = self._build(architecture)
        return self._builds[architecture_id]

    def _build(self, architecture: Architecture) -> Build:
        return check_build(
            architecture,
            in_shape=self.dataset.in_shape(batch_size(architecture)),
            num_classes=self.dataset.num_classes,
            sandbox=self.sandbox,
            limits=self.measurement.check_limits(),
        )

    def _train(self, architecture: Architecture) -> Trained:
        return train_one_epoch(
            architecture,
            self.dataset,
            sandbox=self.sandbox,
            seed=self.measurement.seed,
            limits=self.measurement.train_limits(),
            epochs=self.measurement.epochs,
            numerics=self.measurement.numerics(),
        )

    def _comparable(self, evaluation: Evaluation) -> bool:
        wanted = self.measurement
        return (
            evaluation.dataset == wanted.dataset
            and evaluation.split == "search"
            and evaluation.epochs == wanted.epochs
            and evaluation.seed == wanted.seed
            and evaluation.device.partition(":")[0] == wanted.device.partition(":")[0]
            and evaluation.precision == wanted.precision
            and evaluation.channels_last == wanted.channels_last
        )


def _check_novel(report: NoveltyReport) -> None:
    if report.exact_duplicate_of is not None:
        raise _Closed(
            "novelty",
            "exact-duplicate",
            f"the network is {report.exact_duplicate_of[:12]} in other words; "
            "change what it computes",
        )
    if not report.is_novel:
        assert report.nearest is not None
        raise _Closed(
            "novelty",
            "near-duplicate",
            f"the source is {report.similarity:.0%} like {report.nearest[:12]}, and "
            f"{report.threshold:.0%} is too near; change more of it",
        )
