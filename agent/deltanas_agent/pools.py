"""Who may be a parent, data set by data set: the baselines, and what a run has kept."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from statistics import fmean

from deltanas_agent.config import RunConfig, parse_fork
from deltanas_agent.evaluator import Evaluator, Measuring
from deltanas_agent.events import BaselineMeasured, Event, NoiseFound, Replicated
from deltanas_agent.selection import Member, ranked
from deltanas_agent.slots import slot_of_key
from deltanas_repo_store.entries import KeptEntry
from deltanas_repo_store.errors import CandidateError, ConfigError
from deltanas_repo_store.records import ArchitectureId, Evaluation, Name
from deltanas_repo_store.store import Store

logger = logging.getLogger(__name__)


class StopAsked(Exception):
    """The session is to end before the baselines are measured."""


@dataclass
class Pools:
    """The pools of one session of a run."""

    run: str
    config: RunConfig
    store: Store
    evaluators: Mapping[Name, Evaluator]
    """One for each data set of the run."""
    notify: Callable[[Event], None]
    stop_asked: Callable[[], bool]
    _baselines: dict[Name, list[Member]] = field(default_factory=dict)
    _means: dict[tuple[Name, ArchitectureId], float] = field(default_factory=dict)

    def named_baselines(self) -> dict[str, ArchitectureId]:
        """Return the baselines that the run starts from.

        Raises:
            ConfigError: one is not in the store.
        """
        there = {entry.name: entry.id for entry in self.store.baselines()}
        names = list(there) if self.config.baselines is None else list(self.config.baselines)
        if missing := [name for name in names if name not in there]:
            raise ConfigError(
                f"the store has no baseline {missing[0]!r}; it has {', '.join(there) or 'none'}"
            )
        return {name: there[name] for name in names}

    def measure_baselines(self) -> None:
        """Measure the baselines with all seeds, and find the noise floor of each data set.

        Raises:
            ConfigError: none can be measured on one of the data sets.
            StopAsked: it was asked to stop; what was measured is in the store.
        """
        named = self.named_baselines()
        for dataset, evaluator in self.evaluators.items():
            self._baselines[dataset] = self._measured(dataset, named)
            self.notify(NoiseFound(dataset=dataset, noise_floor=evaluator.noise_floor()))

    def before(self, cycle: int) -> dict[Name, list[Member]]:
        """Return what may be a parent in a cycle, for each data set: what was kept before it.

        The best stand there with their mean over all seeds: who has the best of many numbers had
        luck as well, and would be the parent of many.
        """
        kept: dict[Name, list[Member]] = {dataset: [] for dataset in self.evaluators}
        for entry in self._kept(cycle):
            if entry.accuracy >= self.config.selection.min_accuracy and entry.dataset in kept:
                kept[entry.dataset].append(self._member(entry))
        return {
            dataset: self._replicated(dataset, [*self._baselines[dataset], *kept[dataset]])
            for dataset in self.evaluators
        }

    def _kept(self, before: int) -> Iterator[KeptEntry]:
        """Yield what was kept before a cycle, by the run and those it was forked from."""
        run, fork = self.run, self.config.fork
        while True:
            after = fork.cycle if fork else 0
            for entry in self.store.entries(run):
                if isinstance(entry, KeptEntry) and after < entry.key.cycle < before:
                    yield entry
            if fork is None:
                return
            run, before = fork.run, fork.cycle + 1
            fork = parse_fork(self.store.run_config(run))

    def _member(self, entry: KeptEntry) -> Member:
        return Member(
            entry.id,
            entry.name,
            entry.accuracy,
            num_params=entry.num_params,
            seconds=entry.seconds,
            cycle=entry.key.cycle,
            place=slot_of_key(self.config, entry.key).place,
        )

    def _measured(self, dataset: Name, named: Mapping[str, ArchitectureId]) -> list[Member]:
        begun = {name: self._begin_seeds(dataset, each) for name, each in named.items()}
        members: list[Member] = []
        for name, architecture_id in named.items():
            accuracies, evaluation = self._end_seeds(begun[name], name)
            if evaluation is not None:
                self._means[dataset, architecture_id] = fmean(accuracies)
                members.append(
                    Member(
                        architecture_id,
                        name,
                        evaluation.accuracy,
                        num_params=evaluation.num_params,
                        seconds=evaluation.seconds,
                    )
                )
            self.notify(BaselineMeasured(name=name, dataset=dataset, evaluation=evaluation))
            if self.stop_asked():
                raise StopAsked
        if not members:
            raise ConfigError(
                f"no baseline can be measured on {dataset}, so there is no parent to start from; "
                "`deltanas baselines STORE` adds ours, `deltanas check NAME` says what is wrong"
            )
        return members

    def _begin_seeds(self, dataset: Name, architecture_id: ArchitectureId) -> list[Measuring]:
        """Begin to measure with all seeds, the run's own first."""
        seeds = self.config.replication.of(self.config.measurement)
        evaluator = self.evaluators[dataset]
        return [evaluator.begin_measuring(architecture_id, seed=seed) for seed in seeds]

    def _end_seeds(
        self, begun: list[Measuring], name: str
    ) -> tuple[list[float], Evaluation | None]:
        """Return the accuracies, and the measurement with the run's own seed.

        With another seed a failure counts as an accuracy of 0: what trains by luck is not good.
        """
        accuracies: list[float] = []
        first: Evaluation | None = None
        for place, measuring in enumerate(begun):
            try:
                evaluation = measuring()
            except CandidateError as error:
                logger.warning("not measured", extra={"network": name, "reason": str(error)})
                accuracies.append(0.0)
            else:
                accuracies.append(evaluation.accuracy)
                first = evaluation if place == 0 else first
        return accuracies, first

    def _replicated(self, dataset: Name, pool: list[Member]) -> list[Member]:
        replication = self.config.replication
        top = replication.top if replication.seeds > 1 else 0
        while True:
            best = ranked(self._with_mean(dataset, member) for member in pool)
            lucky = [each for each in best[:top] if (dataset, each.id) not in self._means]
            if not lucky:
                return best
            self._replicate(dataset, lucky)

    def _with_mean(self, dataset: Name, member: Member) -> Member:
        return replace(member, accuracy=self._means.get((dataset, member.id), member.accuracy))

    def _replicate(self, dataset: Name, members: list[Member]) -> None:
        begun = [self._begin_seeds(dataset, member.id) for member in members]
        for member, measuring in zip(members, begun, strict=True):
            accuracies, _ = self._end_seeds(measuring, member.name)
            mean = self._means[dataset, member.id] = fmean(accuracies)
            self.notify(
                Replicated(
                    name=member.name, first=member.accuracy, mean=mean, num_seeds=len(accuracies)
                )
            )
