"""Building every baseline: what works at which size is recorded, once."""

from collections.abc import Generator

import pytest

from deltanas_agent.checking import InputSize, check_all
from deltanas_agent.trainers import Place, Trainers
from deltanas_repo_store.errors import ConfigError
from deltanas_repo_store.records import Check
from deltanas_repo_store.repository import MemoryRepository
from deltanas_repo_store.store import Store
from deltanas_tools.sandbox import Sandbox
from tests.deltanas_mcp.conftest import Lent
from tests.networks_for_tests import architecture, network

SIZES = [InputSize("3x32x32-10"), InputSize("1x28x28-10")]


@pytest.fixture
def trainers(sandbox: Sandbox) -> Generator[Trainers]:
    with Trainers([Place(Lent(sandbox), "cpu")]) as opened:
        yield opened


@pytest.fixture
def store() -> Store:
    store = Store(MemoryRepository())
    store.import_baseline("good", architecture(network()))
    store.import_baseline("bad", architecture(network(forward="x = x.view(7, 7)")))
    return store


def checks(store: Store, name: str) -> dict[str, Check]:
    return {each.input: each for each in store.checks(store.resolve(name))}


def test_what_works_and_what_does_not_is_recorded(store: Store, trainers: Trainers) -> None:
    list(check_all(store, SIZES, trainers))
    good, bad = checks(store, "good"), checks(store, "bad")
    assert {size: each.code for size, each in good.items()} == {"1x28x28-10": "", "3x32x32-10": ""}
    assert good["3x32x32-10"].num_params == 314
    assert bad["3x32x32-10"].code == "forward"


def test_what_was_checked_is_left_out_the_next_time(store: Store, trainers: Trainers) -> None:
    first = check_all(store, SIZES, trainers)
    next(first)
    first.close()
    assert len(list(check_all(store, SIZES, trainers))) == 3
    assert list(check_all(store, SIZES, trainers)) == []
    assert len(list(check_all(store, SIZES, trainers, again=True))) == 4


def test_names_choose_baselines(store: Store, trainers: Trainers) -> None:
    found = check_all(store, SIZES[:1], trainers, names=lambda name: name == "good")
    assert [name for name, _ in found] == ["good"]


@pytest.mark.parametrize("text", ["", "32x32", "3x32x32", "3x0x32-10", "3x32x32-10-", "axbxc-d"])
def test_what_is_no_input_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="3x32x32-10"):
        InputSize(text)
