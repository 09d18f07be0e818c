"""What resources show as JSON."""

from typing import Literal

from deltanas_agent.ledger import Ledger
from deltanas_agent.rates import Rates
from deltanas_mcp.answers import ArchitectureSummary
from deltanas_repo_store.queries import Standing
from deltanas_repo_store.records import Evaluation, HParams, Record


class IndexView(Record):
    """What there is: the first page of the list, and the names of everything else."""

    architectures: list[ArchitectureSummary]
    pending: list[str]
    """Candidates that wait for train_one_epoch."""
    datasets: list[str]
    """Those with a leaderboard."""
    runs: list[str]
    rest: str
    """Where to find what is left out; empty where nothing is."""


class ArchitectureView(Record):
    """An architecture without its source, which is a file of its own."""

    id: str
    name: str
    status: Literal["baseline", "kept", "rejected", "unlisted"]
    parent_id: str | None
    hparams: HParams
    evaluations: list[Evaluation]
    description: str
    """What the store knows of it in words: its delta, how it fared, what it printed."""


class LineageStep(Record):
    """An architecture of a lineage."""

    depth: int
    """Steps from the architecture that was asked for, negative above it; 0 in a list of a run."""
    id: str
    name: str
    status: Literal["baseline", "kept", "rejected"]
    change: str = ""
    """What its delta changed, and how it ended; empty for a baseline."""
    accuracy: float | None = None
    gain: float | None = None
    """Accuracy minus the parent's, when it was made."""
    improved: bool | None = None
    """Better than its parent beyond the noise floor."""
    rejection: str = ""
    """Gate and code of a rejected one."""


class LineageView(Record):
    """Where an architecture comes from, and what was made of it."""

    ancestors: list[LineageStep]
    """Its baseline first, itself last."""
    descendants: list[LineageStep]
    """What was made of one of them follows it."""
    rest: str


class LeaderboardView(Record):
    """The best on a data set, task by task; accuracies of one task can be compared."""

    dataset: str
    standings: list[Standing]
    rest: str


class RunView(Record):
    """A run: what it is, what it has spent, how far its answers came."""

    run: str
    kind: str
    """``search``: the built-in loop. ``submissions``: candidates of assistants and people."""
    settings: dict[str, object]
    """What decides its course; who serves its model stays with the owner of the store."""
    spent: Ledger
    rates: Rates
    pending: int
    best: list[Standing]
    """Its candidates and the baselines together."""
    newest: list[LineageStep]
