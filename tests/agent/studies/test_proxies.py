import numpy as np
import pytest

from deltanas_agent.studies.proxies import Proxy, Sample, proxies
from deltanas_agent.studies.trainings import Field, Network, Training
from tests.agent.studies.fields_for_tests import field_of, noisy_field


def named(name: str, *, long: int = 50) -> Proxy:
    [found] = [each for each in proxies(1, long) if each.name == name]
    return found


def sample_of(*trainings: Training, num_params: int | None = None) -> Sample:
    """One network with these trainings."""
    return Sample(Field("mnist", (Network("net", "net", trainings, num_params),)), 1, 50)


def test_plain_accuracy_comes_first() -> None:
    assert [proxies(short, 50)[0].name for short in (1, 2)] == ["epoch 1", "epoch 2"]


def test_nothing_is_looked_at_after_the_long_training() -> None:
    assert not [each.name for each in proxies(1, 5) if "5" in each.name]


def test_trainings_without_a_long_accuracy_are_no_rows_but_count_among_several() -> None:
    sample = sample_of(
        Training({1: 0.2, 50: 0.8}), Training({1: 0.6}), Training({1: 0.4}), Training({50: 0.9})
    )
    assert len(sample.rows) == 1
    assert named("mean of 3 trainings").score(sample, ()) == pytest.approx([0.4])
    assert named("best of 3 trainings").score(sample, ()) == pytest.approx([0.6])


def test_too_few_trainings_are_not_several() -> None:
    sample = sample_of(Training({1: 0.2, 50: 0.8}), Training({1: 0.6}))
    assert np.isnan(named("mean of 3 trainings").score(sample, ())).all()
    assert named("best of all trainings").score(sample, ()) == pytest.approx([0.6])


def test_the_target_is_the_trainings_own_end_or_the_best_of_its_network() -> None:
    field = sample_of(Training({1: 0.2, 50: 0.7}), Training({1: 0.3, 50: 0.9})).field
    assert Sample(field, 1, 50).target == pytest.approx([0.7, 0.9])
    assert Sample(field, 1, 50, "network").target == pytest.approx([0.9, 0.9])


def test_a_power_law_finds_where_one_that_is_one_goes() -> None:
    curve = {epoch: 0.9 - 0.5 * epoch**-0.5 for epoch in (1, 2, 3, 50)}
    score = named("power law through epochs 1 to 3").score(sample_of(Training(curve)), ())
    assert score == pytest.approx([curve[50]])


def test_an_unknown_epoch_has_no_score() -> None:
    sample = sample_of(Training({1: 0.2, 3: 0.4, 50: 0.8}))
    for name in ("epoch 2", "best of epochs 1 to 3", "power law through epochs 1 to 3"):
        assert np.isnan(named(name).score(sample, ())).all()


def test_the_best_third_is_ranked_by_the_later_epoch_before_the_others() -> None:
    field = field_of(
        "mnist",
        {
            "a": {1: 0.9, 3: 0.91, 50: 0.9},
            "b": {1: 0.8, 3: 0.95, 50: 0.9},
            **{name: {1: 0.1, 3: 0.99, 50: 0.9} for name in "cdef"},
        },
    )
    score = named("epoch 3 for the best third").score(Sample(field, 1, 50), ())
    assert np.argsort(-score)[:2].tolist() == [1, 0]
    assert named("epoch 3 for the best third").epochs == pytest.approx(1 + 2 / 3)


def rated(name: str, *, sign: int, num_networks: int = 30) -> Field:
    """Networks whose long accuracy is the first one, raised or lowered by the learning rate."""
    rng = np.random.default_rng(len(name))
    networks = []
    for number in range(num_networks):
        first, power = rng.uniform(0.2, 0.4), rng.uniform(-4, -1)
        training = Training({1: first, 50: 0.5 + first / 4 + sign * power / 10}, 10**power)
        networks.append(Network(f"net{number:02d}", f"net{number:02d}", (training,)))
    return Field(name, tuple(networks))


def test_what_the_learning_rate_says_is_learnt_from_other_fields_alone() -> None:
    proxy = named("epoch 1 and learning rate")
    sample = Sample(rated("mnist", sign=1), 1, 50)
    alike, opposite = (Sample(rated("svhn", sign=sign), 1, 50) for sign in (1, -1))
    helped = np.corrcoef(proxy.score(sample, [alike]), sample.target)[0, 1]
    misled = np.corrcoef(proxy.score(sample, [opposite]), sample.target)[0, 1]
    assert helped > 0.9
    assert misled < 0
    assert np.isnan(proxy.score(sample, ())).all()


def test_a_rank_among_like_learning_rates_does_not_reward_the_rate() -> None:
    networks = [
        Network(f"net{number:02d}", "", (Training({1: 0.1 + number / 100, 50: 0.9}, rate),))
        for number, rate in enumerate([1e-3] * 20 + [1e-1] * 20)
    ]
    sample = Sample(Field("mnist", tuple(networks)), 1, 50)
    score = named("epoch 1, rank among like learning rates").score(sample, ())
    assert score[19] == 1.0
    assert score[20] == 0.0


def test_parameters_are_no_proxy_where_nobody_counted_them() -> None:
    training = Training({1: 0.2, 50: 0.8})
    assert np.isnan(named("parameters").score(sample_of(training), ())).all()
    assert named("parameters").score(sample_of(training, num_params=7), ()) == pytest.approx([7.0])


def test_no_proxy_looks_at_the_long_accuracy_of_its_own_field() -> None:
    field = noisy_field()
    other = Sample(noisy_field("svhn", seed=1), 1, 50)
    changed = Field(
        field.name,
        tuple(
            Network(each.name, each.family, (Training({**each.trainings[0].accuracies, 50: 0.5}),))
            for each in field.networks
        ),
    )
    for proxy in proxies(1, 50):
        before = proxy.score(Sample(field, 1, 50), [other])
        assert np.array_equal(before, proxy.score(Sample(changed, 1, 50), [other]), equal_nan=True)
