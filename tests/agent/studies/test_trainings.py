from typing import Any

import pytest

from deltanas_agent.studies.trainings import read_fields
from deltanas_repo_store.queries import OURS
from deltanas_repo_store.records import CurvePoint, Evaluation
from deltanas_repo_store.reported import NewBaseline, Reported, ReportedTrial
from deltanas_repo_store.store import Store
from tests.agent.corpora.stores_for_tests import PLAIN, WIDE, keep, store_of
from tests.networks_for_tests import architecture
from tests.records_for_tests import evaluation


def trial(accuracy: float, epochs: int, **changed: object) -> ReportedTrial:
    """One line of what is reported."""
    usual = {"dataset": "cifar-10", "transform": "norm", "seconds": 1.0, "id": "a"}
    hparams = {"lr": 0.01, "epoch": epochs}
    return ReportedTrial.model_validate(
        {**usual, "accuracy": accuracy, "epochs": epochs, "hparams": hparams, **changed}
    )


def lemur(name: str, *trials: ReportedTrial) -> NewBaseline:
    """A network with its report."""
    report = Reported(source="lemur", package="nn-dataset", network=name, trials=trials)
    return NewBaseline(name=name, architecture=architecture(PLAIN), reported=(report,))


def ours(accuracy: float, epochs: int, *, seed: int = 1, **changed: Any) -> Evaluation:
    """One of our measurements."""
    return evaluation(accuracy, seed=seed).model_copy(update={"epochs": epochs, **changed})


def store_with(*evaluations: Evaluation) -> Store:
    """A store whose one network has these measurements."""
    store = store_of(NewBaseline(name="plain", architecture=architecture(PLAIN)))
    for each in evaluations:
        store.add_evaluation(store.resolve("plain"), each)
    return store


def test_the_epochs_of_one_reported_training_are_joined() -> None:
    store = store_of(
        lemur("Net-1", trial(0.4, 1), trial(0.5, 2), trial(0.8, 50), trial(0.3, 1, id="b"))
    )
    [field] = read_fields(store, "lemur", long=50)
    [network] = field.networks
    assert (field.name, network.name, network.family) == ("cifar-10", "Net-1", "Net")
    assert [dict(each.accuracies) for each in network.trainings] == [
        {1: 0.4, 2: 0.5, 50: 0.8},
        {1: 0.3},
    ]
    assert network.trainings[0].learning_rate == 0.01


def test_what_was_measured_twice_counts_as_the_mean() -> None:
    store = store_of(lemur("Net", trial(0.4, 1), trial(0.6, 1), trial(0.8, 50)))
    [field] = read_fields(store, "lemur", long=50)
    assert field.networks[0].trainings[0].accuracies[1] == pytest.approx(0.5)


def test_each_data_set_is_a_field_and_needs_a_long_training_of_its_own() -> None:
    trials = [
        *(trial(0.4, 1), trial(0.8, 50)),
        *(trial(0.4, epochs, dataset="mnist") for epochs in (1, 50)),
        trial(0.4, 1, dataset="svhn"),
    ]
    store = store_of(lemur("Net", *trials))
    assert [each.name for each in read_fields(store, "lemur", long=50)] == ["cifar-10", "mnist"]
    only = read_fields(store, "lemur", long=50, dataset="mnist")
    assert [each.name for each in only] == ["mnist"]


def test_nothing_that_others_measured_is_ours() -> None:
    store = store_of(lemur("Net", trial(0.4, 1), trial(0.8, 50)))
    assert read_fields(store, OURS, long=50) == ()


def test_our_short_and_long_measurements_of_a_seed_are_one_training() -> None:
    store = store_with(ours(0.4, 1), ours(0.8, 50), ours(0.5, 1, seed=2))
    [field] = read_fields(store, OURS, long=50)
    assert field.name == "digits-search"
    assert [dict(each.accuracies) for each in field.networks[0].trainings] == [
        {1: 0.4, 50: 0.8},
        {1: 0.5},
    ]
    assert field.networks[0].num_params == 12_345


def test_a_learning_curve_has_the_epochs_before_the_last() -> None:
    curve = tuple(
        CurvePoint(epoch=epoch, accuracy=accuracy, loss=1.0, cpu_seconds=1.0)
        for epoch, accuracy in ((1, 0.4), (2, 0.6), (3, 0.8))
    )
    [field] = read_fields(store_with(ours(0.8, 3, curve=curve)), OURS, long=3)
    assert dict(field.networks[0].trainings[0].accuracies) == {1: 0.4, 2: 0.6, 3: 0.8}


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"split": "test"}, id="split"),
        pytest.param({"transform": "norm_32_flip"}, id="transform"),
        pytest.param({"device": "cuda:0"}, id="device"),
        pytest.param({"dataset_digest": "ab"}, id="version of the data set"),
    ],
)
def test_accuracies_under_other_conditions_are_another_field(changed: dict[str, Any]) -> None:
    store = store_with(ours(0.4, 1), ours(0.8, 50, seed=2), ours(0.8, 50, **changed))
    assert len(read_fields(store, OURS, long=50)) == 2


def test_trainings_that_a_time_limit_ends_are_left_out() -> None:
    assert read_fields(store_with(ours(0.8, 50, budget_seconds=9.0)), OURS, long=50) == ()


def test_a_candidate_is_of_its_baselines_family() -> None:
    store = store_with(ours(0.8, 1))
    keep(store, "plain", WIDE, accuracy=0.9)
    [field] = read_fields(store, OURS, long=1)
    assert [each.family for each in field.networks] == ["plain", "plain"]
