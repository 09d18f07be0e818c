"""The gates: from a pending candidate to its outcome, in rising order of cost.

The loop, the command line and the MCP server all come through here, so a candidate ends the
same way whoever proposed it.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import NoReturn

from deltanas_agent.config import Deltas, Measurement, Novelty
from deltanas_agent.executors import Ended, Executor, Training
from deltanas_agent.executors.port import then
from deltanas_agent.gates import pass_gates
from deltanas_agent.noise import noise_floor
from deltanas_agent.outcomes import Admitted, Closed, Progress, check_novel, kept, rejected
from deltanas_repo_store.errors import CandidateError
from deltanas_repo_store.queries import measured_baselines, names
from deltanas_repo_store.records import (
    Architecture,
    ArchitectureId,
    Evaluation,
    NoveltyReport,
    Outcome,
    Pending,
    Rejected,
    Rejection,
)
from deltanas_repo_store.store import Store
from deltanas_tools.brief import Brief
from deltanas_tools.checks import (
    Build,
    check_build,
    check_effective,
    check_interface,
)
from deltanas_tools.datasets import Dataset
from deltanas_tools.novelty_check import NoveltyIndex
from deltanas_tools.sandbox import Sandbox
from deltanas_tools.train_one_epoch import OnEpoch, in_shape
from deltanas_tools.transforms import Transform, parse

Measuring = Callable[[], Evaluation]
"""A measurement that was begun: waits for its end, and raises `CandidateError` where it fails."""


def _raise(error: CandidateError) -> NoReturn:
    raise error


@dataclass
class Evaluator:
    """Measures architectures and evaluates candidates, all under the same conditions.

    ``sandbox`` is for the gates; ``executor`` trains, side by side where it has several places.
    """

    store: Store
    sandbox: Sandbox
    dataset: Dataset
    novelty: NoveltyIndex
    measurement: Measurement
    executor: Executor
    deltas: Deltas = field(default_factory=Deltas)
    rules: Novelty = field(default_factory=Novelty)
    _builds: dict[ArchitectureId, Build] = field(default_factory=dict)
    _noise_floor: float | None = None

    def measure(self, architecture_id: ArchitectureId, *, seed: int | None = None) -> Evaluation:
        """Return the architecture's measurement under these conditions, training if need be.

        ``seed`` is another than that of the conditions.

        Raises:
            CandidateError: it does not build, or its training does not end in a score.
        """
        return self.begin_measuring(architecture_id, seed=seed)()

    def begin_measuring(
        self,
        architecture_id: ArchitectureId,
        *,
        seed: int | None = None,
        on_epoch: OnEpoch = lambda _: None,
    ) -> Measuring:
        """Begin what `measure` does; the result waits for its end, and keeps it.

        ``on_epoch`` is called from another thread.
        """
        seed = self.measurement.seed if seed is None else seed
        if (known := self._known(architecture_id, seed)) is not None:
            return lambda: known
        architecture = self.store.get(architecture_id)
        try:
            check_interface(architecture.source)
        except CandidateError as error:
            return partial(_raise, error)
        training = self.executor.submit(self._training(architecture, seed), on_epoch)

        def finish() -> Evaluation:
            evaluation = training.result().trained().evaluation
            self.store.add_evaluation(architecture_id, evaluation)
            return evaluation

        return finish

    def try_out(self, architecture: Architecture) -> Evaluation:
        """Train and score a network that no store has, and keep nothing of it.

        Raises:
            CandidateError: it lacks the interface, or its training does not end in a score.
        """
        check_interface(architecture.source)
        training = self._training(architecture, self.measurement.seed)
        return self.executor.submit(training).result().trained().evaluation

    def noise_floor(self) -> float | None:
        """Return the gain from which a candidate counts as better than its parent.

        From the baselines of the store that were measured under these conditions with several
        seeds; None while there are none. Once it is known, it stays for as long as this evaluator.
        """
        if self._noise_floor is None:
            self._noise_floor = noise_floor(
                [
                    each.accuracy
                    for each in self.store.evaluations(baseline)
                    if self._comparable(each)
                ]
                for baseline in measured_baselines(self.store, self.measurement.dataset)
            )
        return self._noise_floor

    def brief(
        self,
        parent: ArchitectureId,
        *,
        siblings: tuple[str, ...] = (),
        refusals: tuple[Rejection, ...] = (),
        refused_answer: str = "",
    ) -> Brief:
        """Return what a proposer is told about editing an architecture for this data set."""
        architecture = self.store.get(parent)
        known = self._known(parent, self.measurement.seed)
        return Brief(
            parent=architecture,
            dataset=self.dataset.name,
            in_shape=self._in_shape(architecture),
            num_classes=self.dataset.num_classes,
            epochs=self.measurement.epochs,
            parent_accuracy=known.accuracy if known else None,
            frozen_parts=self.deltas.frozen_parts == "refuse",
            siblings=siblings,
            refusals=refusals,
            refused_answer=refused_answer,
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
        """Take a candidate through all gates. Whatever is wrong with it is in the outcome.

        Raises:
            SandboxError: nothing could be run; the candidate stays pending.
            CandidateError: the *parent* cannot be built or measured.
        """
        admitted = self.admit(pending)
        return self.train(admitted).result() if isinstance(admitted, Admitted) else admitted

    def admit(
        self, pending: Pending, settle: Callable[[], None] = lambda: None
    ) -> Admitted | Rejected:
        """Take a candidate through the gates before training.

        ``settle`` waits until no training is under way. It is called where one of the networks in
        training is nearer than all of the store: what a candidate is compared with, and what its
        record says, does not depend on how many train side by side.

        Raises:
            SandboxError: nothing could be run; the candidate stays pending.
            CandidateError: the *parent* cannot be built or measured.
        """
        started = time.monotonic()
        parent = self.store.get(pending.parent)
        parent_build = self._build_of(pending.parent, parent)
        parent_accuracy = self.measure(pending.parent).accuracy
        progress = Progress()
        try:
            candidate = pass_gates(
                pending.proposal.answer,
                parent,
                parent_build,
                rules=self.deltas,
                build=self._build,
                progress=progress,
            )
            novelty = self._pass_novelty(candidate, pending, progress, settle)
        except Closed as closed:
            return rejected(pending, progress, closed, time.monotonic() - started)
        return Admitted(
            pending=pending,
            architecture=candidate,
            progress=progress,
            novelty=novelty,
            parent_accuracy=parent_accuracy,
            noise_floor=self.noise_floor(),
            seconds=time.monotonic() - started,
        )

    def train(self, admitted: Admitted) -> "Future[Outcome]":
        """Begin to train a candidate.

        Raises, from the result:
            SandboxError: nothing could be run; the candidate stays pending.
        """

        def outcome(ended: Ended) -> Outcome:
            seconds = admitted.seconds + ended.seconds
            try:
                return kept(admitted, ended.trained(), seconds)
            except CandidateError as error:
                closed = Closed("train", error.code, str(error), error.output)
                return rejected(admitted.pending, admitted.progress, closed, seconds)

        training = self._training(admitted.architecture, self.measurement.seed)
        return then(self.executor.submit(training), outcome)

    def _pass_novelty(
        self,
        candidate: Architecture,
        pending: Pending,
        progress: Progress,
        settle: Callable[[], None],
    ) -> NoveltyReport:
        source, parent, trace = candidate.source, pending.parent, progress.trace
        # One neighbour: of more, networks in training would often be among them, and be waited for.
        check = partial(self.novelty.check, source, parent=parent, trace=trace, num_neighbours=1)
        try:
            novelty = check()
            if self.novelty.has_nearer_under_way(source, novelty, parent=parent, trace=trace):
                settle()
                novelty = check()
        except CandidateError as error:
            raise Closed("novelty", error.code, str(error), error.output) from error
        progress.novelty = novelty
        named = (novelty.exact_duplicate_of, novelty.same_computation_as, novelty.nearest)
        found = names(self.store, [each for each in named if each is not None])
        check_novel(novelty, self.rules, found)
        return novelty

    def _build_of(self, architecture_id: ArchitectureId, architecture: Architecture) -> Build:
        if architecture_id not in self._builds:
            check_interface(architecture.source)
            self._builds[architecture_id] = self._build(architecture)
        return self._builds[architecture_id]

    def _build(self, architecture: Architecture) -> Build:
        return check_build(
            architecture,
            in_shape=self._in_shape(architecture),
            num_classes=self.dataset.num_classes,
            sandbox=self.sandbox,
            limits=self.measurement.check_limits(),
            complex_inputs=self._transform.ending == "complex",
        )

    @property
    def _transform(self) -> Transform:
        return parse(self.measurement.transform)

    def _in_shape(self, architecture: Architecture) -> tuple[int, int, int, int]:
        return in_shape(architecture, self.dataset, self._transform)

    def _training(self, architecture: Architecture, seed: int) -> Training:
        return Training(
            architecture=architecture,
            measurement=self.measurement.model_copy(update={"seed": seed}),
            dataset_digest=self.dataset.digest,
        )

    def _known(self, architecture_id: ArchitectureId, seed: int) -> Evaluation | None:
        """Return a measurement under these conditions that was made before."""
        return next(
            (
                each
                for each in self.store.evaluations(architecture_id)
                if each.seed == seed and self._comparable(each)
            ),
            None,
        )

    def _comparable(self, evaluation: Evaluation) -> bool:
        """Say whether it was measured under these conditions, the seed apart."""
        wanted = self.measurement
        return (
            evaluation.dataset == wanted.dataset
            and evaluation.dataset_digest == self.dataset.digest
            and evaluation.split == wanted.split
            and evaluation.transform == wanted.transform
            and evaluation.budget_seconds == wanted.budget_seconds
            and (evaluation.epochs == wanted.epochs or wanted.budget_seconds is not None)
            and bool(evaluation.curve) >= wanted.curve
            and evaluation.device.partition(":")[0] == wanted.device.partition(":")[0]
            and evaluation.precision == wanted.precision
            and evaluation.channels_last == wanted.channels_last
        )
