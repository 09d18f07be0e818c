"""The port: a training, its end, and who brings the one to the other. All are values of JSON."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Annotated, Literal, Protocol, Self, TypeVar

from pydantic import Field

from deltanas_agent.config import Measurement
from deltanas_repo_store.errors import BuildError, CandidateError, TrainError
from deltanas_repo_store.records import Architecture, Record
from deltanas_tools.train_one_epoch import OnEpoch, Trained

_A = TypeVar("_A")
_B = TypeVar("_B")


class Training(Record):
    """One training, whole: a network, and everything that its accuracy depends on."""

    architecture: Architecture
    measurement: Measurement
    """Data set, seed, numerics, limits and all else; of its device only the kind counts."""
    dataset_digest: str
    """Of the bytes of all splits; other bytes are never trained on."""


class Fault(Record):
    """An error that the candidate is to blame for, as a value."""

    kind: Literal["BuildError", "TrainError"]
    message: str
    code: str
    output: str

    @classmethod
    def of(cls, error: BuildError | TrainError) -> Self:
        """Return the error as a value."""
        kind: Literal["BuildError", "TrainError"]
        kind = "TrainError" if isinstance(error, TrainError) else "BuildError"
        return cls(kind=kind, message=str(error), code=error.code, output=error.output)

    def error(self) -> CandidateError:
        """Return the value as an error."""
        kind = TrainError if self.kind == "TrainError" else BuildError
        return kind(self.message, code=self.code, output=self.output)


class Ended(Record):
    """How a training ended, and what it cost."""

    result: Trained | Fault
    seconds: Annotated[float, Field(ge=0.0)]
    """Wall time at its place; waiting for one is not counted."""

    def trained(self) -> Trained:
        """Return the measurement.

        Raises:
            CandidateError: there is none; the candidate is to blame.
        """
        if isinstance(self.result, Fault):
            raise self.result.error()
        return self.result


def untold(epochs: int) -> None:
    """Tell nobody how many epochs have ended."""


class Executor(Protocol):
    """Trains what it is given, as many networks at once as it has places."""

    def __len__(self) -> int:
        """Return how many networks are trained at the same time: at least 1, and it may change."""
        ...

    def submit(self, training: Training, on_epoch: OnEpoch = untold) -> "Future[Ended]":
        """Train at the next place that is free. Cancelling drops what has not begun.

        ``on_epoch`` is called from another thread. What trains a second time, because the first
        place was lost, counts from the beginning again.

        Raises, from the result:
            SandboxError: nothing could be run, or the executor was closed meanwhile.
            ConfigError: the data set is not there, or has other bytes.
        """
        ...

    def close(self) -> None:
        """Drop the trainings that wait, and end those that run."""
        ...


def then(begun: "Future[_A]", change: Callable[[_A], _B]) -> "Future[_B]":
    """Return a future of what ``change`` makes of the result; cancelling it cancels ``begun``."""
    made: Future[_B] = Future()

    def settle(done: "Future[_A]") -> None:
        if not made.set_running_or_notify_cancel():
            return
        try:
            made.set_result(change(done.result()))
        except (Exception, CancelledError) as error:  # whoever waits gets it
            made.set_exception(error)

    def pass_on(done: "Future[_B]") -> None:
        if done.cancelled():
            begun.cancel()

    made.add_done_callback(pass_on)
    begun.add_done_callback(settle)
    return made
