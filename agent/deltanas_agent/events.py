"""What a loop tells whoever watches it."""

from deltanas_repo_store.records import Evaluation, Name, Outcome, Record


class Begun(Record):
    """A session begins."""

    num_baselines: int
    num_candidates: int


class BaselineMeasured(Record):
    """A baseline has a measurement under the run's conditions, or cannot be measured."""

    name: str
    dataset: Name
    evaluation: Evaluation | None


class NoiseFound(Record):
    """The noise floor of a data set is known, or with one seed cannot be."""

    dataset: Name
    noise_floor: float | None


class Replicated(Record):
    """One of the best was measured with all seeds."""

    name: str
    first: float
    """Its accuracy with the run's own seed."""
    mean: float
    num_seeds: int


class SlotBegun(Record):
    """Work on a candidate begins or goes on."""

    cycle: int
    index: int
    parent: str


class AnswerEnded(Record):
    """An answer has become a commit."""

    outcome: Outcome
    slot_ended: bool
    """No further answer will be asked for this candidate."""


class Tuning(Record):
    """The model of an arm is being tuned."""

    cycle: int
    """After which one."""
    words: str
    """How far it is."""


class Tuned(Record):
    """An adapter was trained, tried and kept."""

    adapter: str
    promoted: bool
    reason: str


class ArmSpent(Record):
    """An arm has no budget left; the others go on."""

    arm: Name
    reason: str


class SlotSkipped(Record):
    """A candidate was finished in an earlier session, or its arm has no budget left."""

    cycle: int
    index: int


Event = (
    Begun
    | BaselineMeasured
    | NoiseFound
    | Replicated
    | SlotBegun
    | AnswerEnded
    | Tuning
    | Tuned
    | ArmSpent
    | SlotSkipped
)
