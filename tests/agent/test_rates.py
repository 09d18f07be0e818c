"""The funnel: which steps an answer counts for, and how sure a share is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_agent.rates import STEPS, Cost, Funnel, rates, wilson
from deltanas_repo_store.entries import KeptEntry, RejectedEntry
from deltanas_repo_store.records import ArchitectureId, CandidateKey, Proposal, Stage

PARENT = ArchitectureId("a" * 40)


def rejected(index: int, stage: Stage, attempt: int = 1) -> RejectedEntry:
    return RejectedEntry(
        id=ArchitectureId("b" * 40),
        key=CandidateKey(run="night", cycle=1, index=index, attempt=attempt),
        made=0,
        parent=PARENT,
        subject="",
        proposer="mutation",
        seconds=1.0,
        tokens=0,
        stage=stage,
        code="some",
    )


def kept(index: int, gain: float, attempt: int = 1) -> KeptEntry:
    return KeptEntry(
        id=ArchitectureId("c" * 40),
        key=CandidateKey(run="night", cycle=1, index=index, attempt=attempt),
        made=0,
        parent=PARENT,
        subject="",
        proposer="mutation",
        seconds=1.0,
        tokens=0,
        dataset="digits",
        epochs=1,
        seed=42,
        accuracy=0.5 + gain,
        parent_accuracy=0.5,
        noise_floor=0.1,
        num_params=1,
        similarity=0.5,
    )


@pytest.mark.parametrize(
    ("stage", "last"),
    [
        ("patch", "answered"),
        ("interface", "applied"),
        ("build", "applied"),
        ("effective", "ran"),
        ("novelty", "effective"),
        ("train", "novel"),
    ],
)
def test_a_refused_answer_counts_up_to_the_gate_that_closed(stage: Stage, last: str) -> None:
    funnel = rates([rejected(1, stage)]).first
    assert [step for step in STEPS if getattr(funnel, step)] == list(STEPS[: STEPS.index(last) + 1])


def test_an_improvement_is_a_gain_beyond_the_noise_floor() -> None:
    assert rates([kept(1, 0.05), kept(2, 0.2)]).first == Funnel(
        answered=2, applied=2, ran=2, effective=2, novel=2, trained=2, improved=1
    )


def test_retries_count_for_their_candidate_and_not_as_first_answers() -> None:
    found = rates([rejected(1, "patch"), kept(1, 0.0, attempt=2), rejected(2, "build")])
    assert (found.first.answered, found.first.applied, found.first.trained) == (2, 1, 0)
    assert (found.with_retries.answered, found.with_retries.trained) == (2, 1)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_share_and_narrows_with_trials(counts: tuple[int, int]) -> None:
    successes, trials = counts
    low, high = wilson(successes, trials)
    assert 0.0 <= low <= successes / trials + 1e-9
    assert successes / trials - 1e-9 <= high <= 1.0
    more_low, more_high = wilson(10 * successes, 10 * trials)
    assert more_high - more_low < high - low


def test_an_interval_is_that_of_the_literature() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_nothing_tried_says_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


def test_the_cost_is_a_mean_over_answers() -> None:
    of = [
        Proposal(answer="", proposer="m", seed=0, output_tokens=n, output_lines=2) for n in (1, 3)
    ]
    assert Cost.of(of) == Cost(answers=2, input_tokens=0, output_tokens=2, output_lines=2)
