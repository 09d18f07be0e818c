import numpy as np
import pytest

from deltanas_agent.studies.proxy_study import Design, FieldResult, ProxyResult, study_proxies
from deltanas_agent.studies.trainings import Field, Network, Training
from deltanas_repo_store.errors import ConfigError
from tests.agent.studies.fields_for_tests import field_of, noisy_field

DESIGN = Design(draws=5, resamples=100)


def of(result: FieldResult, proxy: str) -> ProxyResult:
    [found] = [each for each in result.proxies if each.proxy == proxy]
    return found


def test_a_proxy_that_is_better_is_found_and_one_that_is_not_is_not() -> None:
    fields = [noisy_field("cifar-10", seed=1), noisy_field("svhn", seed=2)]
    design = Design(draws=5, resamples=1000)
    overall = {each.proxy: each for each in study_proxies(fields, design).overall}
    assert overall["epoch 3"].verdict == "better"
    assert overall["epoch 3"].num_better == 2
    assert overall["epoch 1"].verdict == "not told apart"
    assert overall["best of all trainings"].verdict == "not told apart"


def test_the_same_seed_gives_the_same_study() -> None:
    fields = [noisy_field()]
    assert study_proxies(fields, DESIGN) == study_proxies(fields, DESIGN)


def test_data_sets_are_never_mixed() -> None:
    # Within each field the first epoch says the opposite; over both it would say the truth.
    def reversed_field(name: str, offset: float) -> Field:
        curves = {
            f"{name}{number}": {1: offset - number / 100, 50: offset + number / 100}
            for number in range(10)
        }
        return field_of(name, curves)

    found = study_proxies([reversed_field("a", 0.2), reversed_field("b", 0.8)], DESIGN)
    for field in found.fields:
        assert of(field, "epoch 1").spearman.estimate.value == pytest.approx(-1.0)
    assert found.overall[0].spearman.value == pytest.approx(-1.0)


def test_p_values_are_corrected_over_data_sets() -> None:
    fields = [noisy_field(name, seed=seed) for seed, name in enumerate("abc")]
    for field in study_proxies(fields, DESIGN).fields:
        correlation = of(field, "epoch 1").spearman
        assert correlation.p_value <= correlation.p_corrected <= 3 * correlation.p_value


def test_a_network_that_was_trained_often_counts_once() -> None:
    rng = np.random.default_rng(0)
    often = tuple(Training({1: 0.5 + rng.random() / 9, 50: 0.9}) for _ in range(500))
    plain = noisy_field()
    with_it = Field(plain.name, (*plain.networks, Network("often", "often", often)))
    design = Design(draws=50, resamples=100)
    before, after = (
        of(study_proxies([field], design).fields[0], "epoch 1").spearman.estimate.value
        for field in (plain, with_it)
    )
    assert abs(before - after) < 0.1


def test_relatives_are_one_piece_of_evidence() -> None:
    networks = noisy_field(num_networks=60).networks
    alone = Field("cifar-10", networks)
    related = Field(
        "cifar-10",
        tuple(
            Network(each.name, f"family{number // 10}", each.trainings)
            for number, each in enumerate(networks)
        ),
    )
    p_values = [
        of(study_proxies([field], DESIGN).fields[0], "epoch 2").spearman.p_value
        for field in (alone, related)
    ]
    assert p_values[0] < p_values[1]


def test_networks_are_drawn_where_there_are_too_few_families() -> None:
    curves = {f"net{number}": {1: number / 20, 50: number / 10} for number in range(8)}
    found = study_proxies([field_of("digits", curves, families=2)], DESIGN)
    assert found.unit == "networks"
    assert of(found.fields[0], "epoch 1").spearman.estimate.value == pytest.approx(1.0)


def test_at_equal_cost_a_dearer_proxy_ranks_fewer_networks() -> None:
    # The first epoch is perfect already, so that another one is money lost.
    curves = {
        f"net{number:02d}": {1: number / 100, 2: number / 100, 50: number / 50}
        for number in range(40)
    }
    found = study_proxies([field_of("mnist", curves)], DESIGN).overall
    [second] = [each for each in found if each.proxy == "epoch 2"]
    assert second.gain.value == 0.0
    assert second.harvest_gain.interval is not None
    assert second.harvest_gain.interval[1] < 0.0


def test_a_data_set_with_too_few_networks_is_named() -> None:
    few = field_of("svhn", {f"net{number}": {1: 0.1, 50: 0.2} for number in range(4)})
    found = study_proxies([noisy_field(), few], DESIGN)
    assert [field.field for field in found.fields] == ["cifar-10"]
    assert found.left_out == ("svhn",)


@pytest.mark.parametrize(
    ("fields", "design", "message"),
    [
        pytest.param([], DESIGN, "5 networks", id="nothing was trained for long"),
        pytest.param([noisy_field()], Design(short=50), "longer", id="no longer than the short"),
    ],
)
def test_what_cannot_be_studied_is_said(fields: list[Field], design: Design, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        study_proxies(fields, design)


def test_progress_is_told_to_its_end() -> None:
    told: list[tuple[str, int, int]] = []
    study_proxies([noisy_field()], DESIGN, lambda *each: told.append(each))
    what, done, total = told[-1]
    assert what == "compare"
    assert done == total
