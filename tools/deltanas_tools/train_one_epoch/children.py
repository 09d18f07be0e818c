"""The two children of a measurement: what each is given, and what is taken from it."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from deltanas_repo_store.errors import TrainError
from deltanas_repo_store.records import Record
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Completed, Failed, Limits, Sandbox
from deltanas_tools.sandbox.memory_files import (
    freeze,
    memory_file,
    read_all,
    result_file,
    write_all,
)
from deltanas_tools.sandbox.messages import Entry
from deltanas_tools.syntax import PARSER
from deltanas_tools.train_one_epoch.weights import Contents, read_contents

MAX_WEIGHTS_BYTES = 2**30
_SHORTEST_SCORING_SECONDS = 1.0

ScoredSplit = Literal["search", "test"]
OnEpoch = Callable[[int], None]
Logits = NDArray[np.float32]


class Report(Record):
    """What the first child says besides the weights; its own word, and worth no more."""

    epochs: Annotated[int, Field(ge=1)]
    passes: Annotated[float, Field(ge=0.0)]


def epoch_of(name: str) -> int | None:
    """Return the epoch whose weights a file called ``epoch-3`` holds; None for the last ones."""
    return int(name.removeprefix("epoch-")) if name.startswith("epoch-") else None


@dataclass(frozen=True)
class Job:
    """What both children are asked with."""

    dataset: Dataset
    sandbox: Sandbox
    limits: Limits
    payload: Mapping[str, object]

    def train(
        self,
        weights: Mapping[str, int],
        *,
        epochs: int,
        budget_seconds: float | None,
        on_epoch: OnEpoch,
    ) -> tuple[Completed, Report, dict[str, int], Contents]:
        """Train into the files of ``weights``: those of the epochs, if any, and the last.

        Returns what was measured, what was said, the files that were filled and that nobody can
        change any more, and what is in the last.

        Raises:
            TrainError: the candidate fails, or what it left is not a file of weights.
        """
        payload = {**self.payload, "epochs": epochs, "budget_seconds": budget_seconds}
        limits = self.limits.model_copy(update={"file_bytes": MAX_WEIGHTS_BYTES})
        with ExitStack() as opened:
            layouts, files = {}, dict(weights)
            for name in ("images", "labels"):
                array = opened.enter_context(open(self.dataset.path(f"train_{name}"), "rb"))  # type: ignore[arg-type]
                layouts[name], files[name] = _layout(array), array.fileno()
            payload["arrays"] = layouts
            # The first mark is the end of the construction.
            completed = self._run(
                "train", payload, files, limits, lambda marks: on_epoch(marks - 1)
            )
        try:
            report = Report.model_validate(completed.payload, strict=True)
            if report.epochs > epochs or len(completed.marks) <= report.epochs:
                raise ValueError(f"{report.epochs} epochs are claimed")  # noqa: TRY301
            # Where fewer epochs were begun than were asked for, the files of the others are empty.
            filled = {
                name: fd
                for name, fd in weights.items()
                if (epoch := epoch_of(name)) is None or epoch <= report.epochs
            }
            for fd in filled.values():
                freeze(fd)
                contents = read_contents(fd)
        except (ValidationError, ValueError, OSError) as error:
            message = f"the result of the training cannot be used: {_reason(error)}"
            raise TrainError(message, code="bad-result", output=completed.output) from error
        return completed, report, filled, contents

    def predict(
        self, weights: Mapping[str, int], split: ScoredSplit, *, seconds_left: float
    ) -> tuple[Completed, list[Logits]]:
        """Return the logits ``(samples, classes)`` for each file of ``weights``.

        Raises:
            TrainError: the candidate fails, or its logits are not all finite.
        """
        limits = self.limits.model_copy(
            update={"wall_seconds": max(seconds_left, _SHORTEST_SCORING_SECONDS)}
        )
        images = self.dataset.images(split)
        order = self._order(len(images))
        shape = (len(weights), len(images), self.dataset.num_classes)
        with _shuffled(images, order) as image_fd, result_file("logits", _bytes(shape)) as fd:
            layout = {"dtype": "uint8", "shape": list(images.shape), "offset": 0}
            payload = {
                **self.payload,
                "weights": list(weights),
                "arrays": {"images": layout},
            }
            files = {**weights, "images": image_fd, "logits": fd}
            completed = self._run("predict", payload, files, limits)
            shuffled = np.frombuffer(read_all(fd), dtype="<f4").reshape(shape)
        if not np.isfinite(shuffled).all():
            message = "the trained network's logits are not all finite"
            raise TrainError(message, code="not-finite", output=completed.output)
        logits = np.empty_like(shuffled)
        logits[:, order] = shuffled
        return completed, list(logits)

    def _run(
        self,
        entry: Entry,
        payload: Mapping[str, object],
        files: Mapping[str, int],
        limits: Limits,
        on_mark: OnEpoch = lambda _: None,
    ) -> Completed:
        outcome = self.sandbox.run(entry, payload, limits=limits, files=files, on_mark=on_mark)
        if isinstance(outcome, Failed):
            raise TrainError(outcome.message, code=outcome.code, output=outcome.output)
        return outcome

    def _order(self, num_images: int) -> NDArray[np.int64]:
        """Draw the order in which the images are shown.

        The same for the same source, so that a measurement can be repeated; not to be known
        without the labels, so that predictions written into the source by position are worth
        nothing.
        """
        secret = hashlib.blake2b(str(self.payload["source"]).encode(errors="backslashreplace"))
        for split in ("search", "test"):
            secret.update(self.dataset.labels(split).tobytes())
        seed = np.frombuffer(secret.digest(), dtype="<u4")
        return np.random.RandomState(seed).permutation(num_images)


@contextmanager
def _shuffled(images: NDArray[np.uint8], order: NDArray[np.int64]) -> Iterator[int]:
    """Yield a file in memory with the images in ``order``, part by part."""
    with memory_file("images") as fd:
        size = images[:1].nbytes
        for start in range(0, len(order), 1024):
            write_all(fd, images[order[start : start + 1024]].tobytes(), start * size)
        freeze(fd)
        yield fd


def _layout(file: object) -> dict[str, object]:
    """Read where in an ``.npy`` file of ours the array lies."""
    np.lib.format.read_magic(file)  # type: ignore[arg-type]
    with PARSER:
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[arg-type]
    return {"dtype": str(dtype), "shape": list(shape), "offset": file.tell()}  # type: ignore[attr-defined]


def _bytes(shape: tuple[int, ...]) -> int:
    return 4 * int(np.prod(shape))


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        return f"its report has {error.error_count()} invalid fields"
    return str(error)
