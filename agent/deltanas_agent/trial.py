"""A trial: how far a proposer's first answers come, over networks that are only for that.

Nothing of it goes into a store: an adapter is judged by it, and proposers are compared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from pydantic import Field

from deltanas_agent.config import Deltas, derive_seed
from deltanas_agent.gates import pass_gates
from deltanas_agent.outcomes import Closed, Progress
from deltanas_agent.rates import REACHED, STEPS, Funnel
from deltanas_repo_store.errors import CandidateError, ConfigError
from deltanas_repo_store.records import Architecture, Proposal, Record, Stage
from deltanas_tools.brief import Brief
from deltanas_tools.checks import Build, check_build
from deltanas_tools.propose_delta.port import Proposer, Request
from deltanas_tools.sandbox import Limits, Sandbox

EFFECTIVE = STEPS.index("effective")
"""The last step of a trial that trains nothing."""


class Tried(Record):
    """One answer, and how far it came."""

    name: str
    """Of the network that it is about."""
    seed: int
    stage: Stage | None = None
    """The gate that closed; None where it is effective."""
    code: str = ""
    message: str = ""
    gain: float | None = None
    """Its accuracy minus its parent's, where it was trained."""
    answer: str
    output_tokens: Annotated[int, Field(ge=0)]
    output_lines: Annotated[int, Field(ge=0)]

    @property
    def reached(self) -> int:
        """The last step that it reached, as an index of `rates.STEPS`."""
        return EFFECTIVE if self.stage is None else REACHED[self.stage]


def funnel(tried: Sequence[Tried]) -> Funnel:
    """Count how far the answers came; nothing of a trial is novel or trained."""
    return Funnel.of(each.reached for each in tried)


@dataclass(frozen=True)
class Trial:
    """What a proposer is tried on, and how."""

    briefs: Mapping[str, Brief]
    """The networks by their names."""
    answers: int
    """For each of them."""
    sandbox: Sandbox
    limits: Limits
    seed: int = 0
    gain: Callable[[Brief, Architecture], float | None] | None = None
    """Trains an effective candidate and returns what it gained, if that can be known; nothing is
    trained without."""

    def run(self, proposer: Proposer) -> Iterator[Tried]:
        """Yield what became of each answer, network by network.

        The same seeds are asked of every proposer, so that trials can be compared.

        Raises:
            ConfigError: a network of the trial does not build itself.
            ProposerError: the proposer cannot be asked.
        """
        for name, brief in self.briefs.items():
            parent = self._parent(name, brief)
            seeds = [derive_seed(self.seed, "trial", name, at) for at in range(self.answers)]
            for start in range(0, len(seeds), proposer.batch):
                some = seeds[start : start + proposer.batch]
                requests = [Request(brief=brief, seed=seed) for seed in some]
                for proposal in proposer.propose(requests):
                    yield self._try(name, brief, parent, proposal)

    def _parent(self, name: str, brief: Brief) -> Build:
        try:
            return self._build(brief, brief.parent)
        except CandidateError as error:
            raise ConfigError(f"{name} cannot be in a trial: {error}") from error

    def _try(self, name: str, brief: Brief, parent: Build, proposal: Proposal) -> Tried:
        tried = Tried(
            name=name,
            seed=proposal.seed,
            answer=proposal.answer,
            output_tokens=proposal.output_tokens,
            output_lines=proposal.output_lines,
        )
        try:
            candidate = pass_gates(
                proposal.answer,
                brief.parent,
                parent,
                rules=Deltas(frozen_parts="refuse" if brief.frozen_parts else "allow"),
                build=partial(self._build, brief),
                progress=Progress(),
            )
        except Closed as closed:
            return tried.model_copy(update=closed.rejection.model_dump())
        if self.gain is None:
            return tried
        return tried.model_copy(update={"gain": self.gain(brief, candidate)})

    def _build(self, brief: Brief, architecture: Architecture) -> Build:
        return check_build(
            architecture,
            in_shape=brief.in_shape,
            num_classes=brief.num_classes,
            sandbox=self.sandbox,
            limits=self.limits,
        )
