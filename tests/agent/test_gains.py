"""Gains: candidates are held against their parents, both trained alike."""

import pytest

from deltanas_agent.finetuning import brief_of
from deltanas_agent.gains import Gains
from deltanas_repo_store.errors import TrainError
from deltanas_repo_store.records import Architecture

ACCURACIES = {"parent": 0.5, "better": 0.75, "worse": 0.25}


def network(name: str) -> Architecture:
    return Architecture(source=f"# {name}\n", hparams={"batch": 2})


class Trainer:
    """Knows what networks would reach, and which have been trained."""

    def __init__(self) -> None:
        self.trained: list[str] = []

    def __call__(self, architecture: Architecture) -> float:
        name = architecture.source.strip("# \n")
        self.trained.append(name)
        if name not in ACCURACIES:
            raise TrainError(f"{name} ends in NaN", code="nan")
        return ACCURACIES[name]


@pytest.mark.parametrize(
    ("candidate", "gain"),
    [("better", 0.25), ("worse", -0.25), ("diverges", -0.5)],
)
def test_a_gain_is_the_accuracy_beyond_the_parents(candidate: str, gain: float) -> None:
    brief = brief_of(network("parent"), dataset="digits", size="1x28x28-10")
    assert Gains(Trainer())(brief, network(candidate)) == gain


def test_a_parent_is_trained_once() -> None:
    trainer = Trainer()
    gains = Gains(trainer)
    brief = brief_of(network("parent"), dataset="digits", size="1x28x28-10")
    for candidate in ("better", "worse"):
        gains(brief, network(candidate))
    assert trainer.trained == ["parent", "better", "worse"]


def test_without_an_accuracy_of_the_parent_nothing_is_known() -> None:
    brief = brief_of(network("diverges"), dataset="digits", size="1x28x28-10")
    assert Gains(Trainer())(brief, network("better")) is None
