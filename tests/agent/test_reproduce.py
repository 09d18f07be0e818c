"""Reproducing: a number comes again to the last bit, or on a GPU within the noise."""

import pytest

from deltanas_agent.reproduce import Verdict, conditions, verdict_on
from deltanas_repo_store.records import Evaluation
from tests.records_for_tests import evaluation


def recorded(accuracy: float = 0.9, *, loss: float = 0.3, device: str = "cpu") -> Evaluation:
    return evaluation(accuracy).model_copy(update={"loss": loss, "device": device})


@pytest.mark.parametrize(
    ("old", "new", "noise_floor", "verdict"),
    [
        pytest.param(recorded(), recorded(), None, "identical", id="the same"),
        pytest.param(recorded(), recorded(loss=0.3 + 1e-12), 0.1, "different", id="last bit"),
        pytest.param(
            recorded(device="cuda"),
            recorded(0.92, device="cuda"),
            0.05,
            "within-noise",
            id="GPU, within",
        ),
        pytest.param(
            recorded(device="cuda"),
            recorded(0.96, device="cuda"),
            0.05,
            "different",
            id="GPU, beyond",
        ),
        pytest.param(
            recorded(device="cuda"),
            recorded(0.9, loss=0.31, device="cuda"),
            None,
            "different",
            id="GPU, noise unknown",
        ),
    ],
)
def test_what_counts_as_reproduced(
    old: Evaluation, new: Evaluation, noise_floor: float | None, verdict: Verdict
) -> None:
    assert verdict_on(old, new, noise_floor) == verdict


def test_a_record_becomes_the_conditions_that_it_was_taken_under() -> None:
    update = {"transform": "norm_32_flip", "epochs": 7, "threads": 2, "precision": "bf16"}
    wanted = conditions(recorded().model_copy(update=update))
    assert (wanted.transform, wanted.epochs) == ("norm_32_flip", 7)
    assert (wanted.threads, wanted.precision, wanted.seed) == (2, "bf16", 1)
