"""Building pairs in the sandbox: what is effective is found out once."""

from concurrent.futures import Future
from pathlib import Path

import pytest

from deltanas_agent.corpora.builds import Builds, in_order
from deltanas_agent.trainers import Trainers
from deltanas_repo_store.errors import ConfigError
from tests.agent.corpora.conftest import Counted
from tests.agent.corpora.stores_for_tests import PLAIN, WIDE
from tests.networks_for_tests import architecture, network
from tests.tools.finetune_lora.corpus.pairs_for_tests import pair

BROKEN = network(forward="x = x.view(7, 7)")
DEAD = network(init="self.unused = nn.Conv2d(8, 8, 3)", forward="x = torch.tanh(x)")
SIZES = ("3x32x32-10", "1x28x28-10")


def problem(builds: Builds, parent: str, child: str) -> str:
    made = pair(child=child).model_copy(update={"parent": architecture(parent)})
    return builds.begin_pair(made).result()


def test_a_pair_is_good_where_both_build_and_compute_otherwise(
    tmp_path: Path, trainers: Trainers
) -> None:
    builds = Builds(tmp_path / "builds", trainers)
    assert problem(builds, PLAIN, WIDE) == ""
    assert problem(builds, PLAIN, DEAD) == "ineffective"
    assert problem(builds, PLAIN, BROKEN) == "the child does not build"
    assert problem(builds, BROKEN, PLAIN) == "the parent does not build"
    blob = network(module=f'DATA = "{"A" * 60_000}"')
    assert problem(builds, PLAIN, blob) == "data in the child's source"


def test_what_was_built_is_not_built_again(
    tmp_path: Path, trainers: Trainers, counted: Counted
) -> None:
    for _ in range(2):
        builds = Builds(tmp_path / "some" / "builds", trainers)
        assert problem(builds, PLAIN, WIDE) == ""
        assert problem(builds, PLAIN, BROKEN) == "the child does not build"
    assert counted.num_runs == 3


def test_a_line_that_was_not_finished_costs_one_build(
    tmp_path: Path, trainers: Trainers, counted: Counted
) -> None:
    problem(Builds(tmp_path / "builds", trainers), PLAIN, WIDE)
    file = tmp_path / "builds"
    file.write_bytes(file.read_bytes()[:-9])
    assert problem(Builds(file, trainers), PLAIN, WIDE) == ""
    assert counted.num_runs == 3


def test_a_network_is_built_at_the_first_size_that_works(
    tmp_path: Path, trainers: Trainers
) -> None:
    grey = network(forward="x = x[:, :, :7]").replace("in_shape[1], 8", "1, 8")
    builds = Builds(tmp_path / "builds", trainers)
    built = builds.begin_sizes(architecture(grey), SIZES).result()
    assert (built.size, built.num_params, built.code) == ("1x28x28-10", 170, "")
    assert builds.begin_sizes(architecture(BROKEN), SIZES).result().code == "forward"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, trainers: Trainers) -> None:
    with pytest.raises(ConfigError, match="what was built before"):
        Builds(tmp_path, trainers)


def test_results_come_in_the_order_of_the_items() -> None:
    begun: list[int] = []

    def begin(item: int) -> "Future[int]":
        begun.append(item)
        future: Future[int] = Future()
        future.set_result(item * item)
        return future

    found = in_order(range(9), begin, ahead=3)
    assert next(found) == (0, 0)
    assert begun == [0, 1, 2]
    assert list(found) == [(each, each * each) for each in range(1, 9)]
