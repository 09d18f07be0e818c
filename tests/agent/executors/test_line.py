"""The line in front of the places of a cluster."""

from collections.abc import Callable
from threading import Event, Thread

import pytest

from deltanas_agent.executors import Cluster, Ended, Fault, Training
from deltanas_agent.executors.line import MAX_LOSSES, Line, Waiting
from deltanas_agent.executors.port import then, untold
from deltanas_agent.executors.ray_worker import Answer, Refusal
from deltanas_repo_store.errors import (
    BuildError,
    CandidateError,
    ConfigError,
    SandboxError,
    TrainError,
)

Train = Callable[..., Training]
FAULT = Fault(kind="TrainError", message="it burst", code="not-finite", output="nan")


def never() -> bool:
    return False


@pytest.fixture
def waiting(training: Train) -> Callable[[int], Waiting]:
    return lambda seed: Waiting(training(seed=seed), untold)


Make = Callable[[int], Waiting]


def test_trainings_are_taken_in_the_order_they_came(waiting: Make) -> None:
    line, both = Line(), [waiting(1), waiting(2)]
    for each in both:
        line.append(each)
    assert [line.take(never), line.take(never)] == both


def test_what_comes_back_goes_first(waiting: Make) -> None:
    line, lost, next_one = Line(), waiting(1), waiting(2)
    line.append(lost)
    line.append(next_one)
    assert line.take(never) is lost
    line.put_back(lost)
    assert line.take(never) is lost


def test_what_was_cancelled_is_passed_over(waiting: Make) -> None:
    line, dropped, wanted = Line(), waiting(1), waiting(2)
    line.append(dropped)
    line.append(wanted)
    assert dropped.future.cancel()
    assert line.take(never) is wanted


def test_a_place_that_is_gone_waits_no_longer() -> None:
    line, is_gone, told = Line(), Event(), Event()

    def wait() -> None:
        assert line.take(is_gone.is_set) is None
        told.set()

    thread = Thread(target=wait)
    thread.start()
    is_gone.set()
    line.wake()
    assert told.wait(20)
    thread.join()


def test_a_training_that_is_lost_too_often_has_a_fault(waiting: Make) -> None:
    deadly = waiting(1)
    deadly.begin()
    assert [deadly.lose("node gone") for _ in range(MAX_LOSSES)] == [True] * (MAX_LOSSES - 1) + [
        False
    ]
    with pytest.raises(TrainError, match=r"lost 3 times .* node gone"):
        deadly.future.result().trained()


def test_a_closed_line_takes_nothing_and_keeps_nobody_waiting(waiting: Make) -> None:
    line, begun, fresh = Line(), waiting(1), waiting(2)
    line.append(begun)
    line.append(fresh)
    assert line.take(never) is begun
    line.close(SandboxError("closed"))
    line.put_back(begun)
    assert fresh.future.cancelled()
    with pytest.raises(SandboxError, match="closed"):
        begun.future.result(timeout=0)
    with pytest.raises(SandboxError, match="closed"):
        line.append(waiting(3))
    assert line.take(never) is None


def test_a_line_that_failed_goes_on(waiting: Make) -> None:
    line, stuck, later = Line(), waiting(1), waiting(2)
    line.append(stuck)
    line.fail(ConfigError("no place"))
    with pytest.raises(ConfigError, match="no place"):
        stuck.future.result(timeout=0)
    line.append(later)
    assert line.take(never) is later


def test_a_training_is_the_same_after_a_journey(training: Train) -> None:
    wanted = training(seed=7, precision="bf16", budget_seconds=0.1, train_seconds=1e-3)
    assert Training.model_validate_json(wanted.model_dump_json()) == wanted


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Ended(result=FAULT, seconds=0.1), id="a fault"),
        pytest.param(Refusal(kind="sandbox", message="no Landlock"), id="a refusal"),
    ],
)
def test_an_answer_is_the_same_after_a_journey(answer: Ended | Refusal) -> None:
    assert Answer.validate_json(answer.model_dump_json()) == answer


@pytest.mark.parametrize("kind", [BuildError, TrainError])
def test_a_fault_is_raised_as_what_it_was(kind: type[BuildError] | type[TrainError]) -> None:
    error = kind("it burst", code="error", output="so far")
    with pytest.raises(kind, match="it burst") as raised:
        Ended(result=Fault.of(error), seconds=1.0).trained()
    assert (raised.value.code, raised.value.output) == ("error", "so far")


def test_what_is_made_of_a_result_can_be_cancelled_with_it(waiting: Make) -> None:
    begun = waiting(1).future
    made = then(begun, lambda ended: ended.seconds)
    assert made.cancel()
    assert begun.cancelled()


def test_what_is_made_of_a_result_fails_with_it(waiting: Make) -> None:
    begun = waiting(1).future
    made = then(begun, lambda ended: ended.trained())
    begun.set_result(Ended(result=FAULT, seconds=1.0))
    with pytest.raises(CandidateError, match="it burst"):
        made.result(timeout=0)


@pytest.mark.parametrize(
    ("cluster", "resources", "num_places"),
    [
        pytest.param({}, {"CPU": 64}, 1, id="one place on a node where nothing else is said"),
        pytest.param({"per_device": 16}, {"CPU": 64}, 16, id="several on a node"),
        pytest.param({"per_device": 16, "threads": 8}, {"CPU": 64}, 8, id="CPUs are the limit"),
        pytest.param({}, {}, 0, id="a head that trains nothing"),
        pytest.param({"device": "cuda"}, {"CPU": 64}, 0, id="no GPU"),
        pytest.param({"device": "cuda", "per_device": 3}, {"CPU": 64, "GPU": 4}, 12, id="GPUs"),
        pytest.param({"device": "cuda"}, {"CPU": 2, "GPU": 4}, 2, id="too few CPUs for the GPUs"),
    ],
)
def test_a_node_has_as_many_places_as_it_has_room_for(
    cluster: dict[str, object], resources: dict[str, float], num_places: int
) -> None:
    assert Cluster.model_validate(cluster).num_places(resources) == num_places
