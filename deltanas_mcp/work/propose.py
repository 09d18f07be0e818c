"""A job in which the configured language model writes a delta."""

from pathlib import Path

from deltanas_agent.config import RunConfig
from deltanas_agent.submit import preview
from deltanas_mcp.answers import ProposedDelta
from deltanas_mcp.settings import model_settings, parse_measurement, parse_run_config
from deltanas_mcp.wiring import Workbench
from deltanas_mcp.work.records import ProposeArguments, Report
from deltanas_repo_store.errors import PatchError, ProposerError
from deltanas_tools.propose_delta.port import Proposer, Request


def with_model(model: Path | None, **values: object) -> RunConfig:
    """Return the configuration of a run that the model of a file proposes in, random edits without.

    Raises:
        ConfigError: the file cannot be read or understood, or a value is out of its range.
    """
    said = {} if model is None else model_settings(model)
    return parse_run_config({**said, **values}, where=str(model or "the arguments"))


class Proposers:
    """The language models of a worker; each is loaded once."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._loaded: dict[Path, Proposer] = {}

    def propose(self, asked: ProposeArguments, device: str, report: Report) -> ProposedDelta:
        """Return a delta that applies.

        Raises:
            UnknownArchitecture: the parent is not in the store.
            ConfigError: the model is not there, or does not fit this machine.
            ProposerError: it failed, or its answer does not apply.
        """
        report(0, 1, f"preparing {asked.dataset}")
        parent = self._bench.store.resolve(asked.parent)
        measurement = parse_measurement(dataset=asked.dataset, device=device)
        brief = self._bench.evaluator(measurement).brief(parent)
        brief = brief.model_copy(update={"goal": asked.goal})
        report(0, 1, "loading the model")
        proposer = self._proposer(asked.model)
        report(0, 1, f"{proposer.name} writes")
        [proposal] = proposer.propose([Request(brief=brief, seed=asked.seed)])
        try:
            applied = preview(self._bench.store, parent=parent, answer=proposal.answer)
        except PatchError as error:
            raise ProposerError(
                f"{proposer.name} wrote what does not apply to {asked.parent}: {error}; "
                "ask with another seed, or write the delta yourself (proposer: caller)"
            ) from error
        return ProposedDelta(
            status="ready",
            parent_id=parent,
            delta=applied.canonical_diff,
            summary=proposal.summary,
            proposer=proposal.proposer,
        )

    def _proposer(self, model: Path) -> Proposer:
        if model not in self._loaded:
            self._loaded[model] = self._bench.proposer(with_model(model))
        return self._loaded[model]
