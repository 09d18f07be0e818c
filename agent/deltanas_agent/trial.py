"""A trial: how far a proposer's first answers come, over networks that are only for that.

Nothing of it goes into a store: an adapter is judged by it, and proposers are compared.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from deltanas_agent.config import Deltas, derive_seed
from deltanas_agent.deltas import apply_answer, architecture_of, rejection_of
from deltanas_agent.rates import STEPS, Funnel
from deltanas_repo_store.errors import CandidateError, ConfigError
from deltanas_repo_store.records import Architecture, Proposal, Record, Stage
from deltanas_tools.apply_patch import Refused
from deltanas_tools.brief import Brief
from deltanas_tools.checks import Build, check_build, check_effective, check_no_embedded_data
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
    strict: bool = False
    """Applied without any relaxation."""
    gain: float | None = None
    """Its accuracy minus its parent's, where it was trained."""
    answer: str
    output_tokens: Annotated[int, Field(ge=0)]
    output_lines: Annotated[int, Field(ge=0)]

    @property
    def reached(self) -> int:
        """The last step that it reached, as an index of `rates.STEPS`."""
        match self.stage:
            case "patch":
                return STEPS.index("answered")
            case "interface" | "build":
                return STEPS.index("applied")
            case "effective":
                return STEPS.index("ran")
            case _:
                return EFFECTIVE


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
    gain: Callable[[Brief, Architecture], float] | None = None
    """Trains an effective candidate and returns what it gained; nothing is trained without."""

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
        rules = Deltas(frozen_parts="refuse" if brief.frozen_parts else "allow")
        result = apply_answer(brief.parent, proposal.answer, rules)
        if isinstance(result, Refused):
            reason = rejection_of(result)
            return _ended(tried, reason.stage, reason.code, reason.message)
        tried = tried.model_copy(update={"strict": not result.relaxations})
        stage: Stage = "interface"
        try:
            candidate = architecture_of(result, brief.parent, rules)
            check_no_embedded_data(candidate.source, brief.parent.source)
            stage = "build"
            build = self._build(brief, candidate)
            stage = "effective"
            check_effective(build, parent)
        except CandidateError as error:
            return _ended(tried, stage, error.code, str(error))
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


def _ended(tried: Tried, stage: Stage, code: str, message: str) -> Tried:
    return tried.model_copy(update={"stage": stage, "code": code, "message": message})
