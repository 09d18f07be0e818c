"""Trainers: as many jobs at once as there are places, and none that outlives them."""

from collections.abc import Sequence
from concurrent.futures import CancelledError
from threading import Barrier, Event

import pytest

from deltanas_agent.trainers import Place, Trainers
from deltanas_tools.sandbox import Sandbox

PLACES = (Place(Sandbox("none"), "cpu"), Place(Sandbox("none"), "cuda:1"))


def trainers(places: Sequence[Place] = PLACES) -> Trainers:
    return Trainers(places)


def test_jobs_run_side_by_side_each_at_a_place_of_its_own() -> None:
    both = Barrier(2, timeout=20)

    def job(place: Place) -> str:
        both.wait()
        return place.device

    with trainers() as pair:
        futures = [pair.submit(job) for _ in range(2)]
        assert {future.result() for future in futures} == {"cpu", "cuda:1"}


def test_a_place_is_free_again_after_a_job_that_fails() -> None:
    def fail(place: Place) -> None:
        raise ValueError(place.device)

    with trainers(PLACES[:1]) as one:
        for _ in range(2):
            with pytest.raises(ValueError, match="cpu"):
                one.submit(fail).result()


def test_closing_drops_the_jobs_that_wait() -> None:
    started, go_on = Event(), Event()

    def wait(_: Place) -> None:
        started.set()
        go_on.wait(20)

    one = trainers(PLACES[:1])
    one.submit(wait)
    waiting = one.submit(wait)
    started.wait(20)
    go_on.set()
    one.close()
    assert waiting.cancelled() or waiting.done()


def test_nothing_begins_after_the_end() -> None:
    one = trainers(PLACES[:1])
    one.close()
    with pytest.raises((RuntimeError, CancelledError)):
        one.submit(lambda place: place)
