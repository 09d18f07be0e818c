"""Who proposes a candidate, and for which data set: it follows from its place in the run alone."""

from dataclasses import dataclass

from deltanas_agent.config import RunConfig
from deltanas_repo_store.records import CandidateKey, Name


@dataclass(frozen=True)
class Slot:
    """A candidate's place in a run."""

    cycle: int
    index: int
    """In the cycle, over all arms, from 1."""
    arm: str
    """Empty in a run without arms."""
    turn: int
    """In the cycle, from 1. Arms share it: its parent and its seeds are the same for all."""
    dataset: Name
    place: int
    """Among the turns of its data set over the whole run, from 1."""


def slot_of(config: RunConfig, cycle: int, index: int) -> Slot:
    """Return the place of a candidate. Arms take turns, and so do data sets."""
    arms, datasets = list(config.all_arms), config.all_datasets
    turn, arm = divmod(index - 1, len(arms))
    number = (cycle - 1) * config.candidates + turn
    return Slot(
        cycle=cycle,
        index=index,
        arm=arms[arm],
        turn=turn + 1,
        dataset=datasets[number % len(datasets)],
        place=number // len(datasets) + 1,
    )


def slot_of_key(config: RunConfig, key: CandidateKey) -> Slot:
    """Return the place of a candidate by its key."""
    return slot_of(config, key.cycle, key.index)
