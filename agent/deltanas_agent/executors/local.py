"""This machine: its places, each with a sandbox and a device of its own."""

from collections.abc import Callable
from concurrent.futures import Future

from deltanas_agent.executors.perform import perform
from deltanas_agent.executors.port import Ended, Training, untold
from deltanas_agent.trainers import Trainers
from deltanas_repo_store.records import Name
from deltanas_tools.datasets import Dataset
from deltanas_tools.train_one_epoch import OnEpoch


class LocalExecutor:
    """Trains at the places of ``trainers``, on data sets that are prepared here."""

    def __init__(self, trainers: Trainers, dataset: Callable[[Name], Dataset]) -> None:
        self._trainers = trainers
        self._dataset = dataset

    def __len__(self) -> int:
        """Return how many places there are."""
        return len(self._trainers)

    def submit(self, training: Training, on_epoch: OnEpoch = untold) -> "Future[Ended]":
        """Train at the next place that is free."""
        return self._trainers.submit(
            lambda place: perform(
                training,
                self._dataset(training.measurement.dataset),
                sandbox=place.sandbox,
                device=place.device,
                on_epoch=on_epoch,
            )
        )

    def close(self) -> None:
        """Drop the trainings that wait, and end those that run with their sandboxes."""
        self._trainers.close()
