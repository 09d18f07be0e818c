"""What runs on a node of a Ray cluster: one place, in a process that Ray starts there.

Texts of JSON come in and go out. Nothing of the driver's environment is here; the node's own says
where its data sets are.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from importlib.metadata import version
from queue import SimpleQueue
from typing import Literal

from pydantic import TypeAdapter

from deltanas_agent.executors.perform import check_digest, perform
from deltanas_agent.executors.port import Ended, Training
from deltanas_repo_store.errors import ConfigError, SandboxError
from deltanas_repo_store.records import Name, Record
from deltanas_tools.datasets import Dataset
from deltanas_tools.sandbox import Choice, Sandbox

PACKAGES = ("deltanas-mcp", "torch", "torchvision", "numpy")
"""What computes a number; a node has the driver's versions, or trains nothing."""


class Refusal(Record):
    """Why nothing can be trained on a node, or not this."""

    kind: Literal["sandbox", "config"]
    message: str

    def error(self) -> SandboxError | ConfigError:
        """Return the error that it stands for."""
        return (SandboxError if self.kind == "sandbox" else ConfigError)(self.message)


Answer = TypeAdapter[Ended | Refusal](Ended | Refusal)


def versions() -> dict[str, str]:
    """Return the versions of what computes a number, here."""
    return {package: version(package) for package in PACKAGES}


class Worker:
    """Trains one network at a time.

    Two threads call it: one trains, another may close it meanwhile.
    """

    def __init__(self, device: str, prepare: Callable[[Name], Dataset]) -> None:
        self._device = device
        self._prepare = prepare
        self._datasets: dict[Name, Dataset] = {}
        self._sandboxes: dict[Choice, Sandbox] = {}

    def ready(self) -> None:
        """Answer, which says that the process is up."""

    def refuse(self, text: str, expected: Mapping[str, str]) -> str:
        """Make ready for a training: its data set and its sandbox; return why it cannot be."""
        training = Training.model_validate_json(text)
        wanted = training.measurement
        try:
            _check_versions(expected)
            if wanted.dataset not in self._datasets:
                self._datasets[wanted.dataset] = self._prepare(wanted.dataset)
            check_digest(self._datasets[wanted.dataset], training.dataset_digest)
            _ = self._sandbox(wanted.sandbox).isolation
        except (ConfigError, SandboxError) as error:
            return _refusal(error).model_dump_json()
        return ""

    def train(self, text: str) -> Iterator[int | str]:
        """Train; yield how many epochs have ended, as they end, and at last how it ended."""
        training = Training.model_validate_json(text)
        told: SimpleQueue[int | None] = SimpleQueue()
        with ThreadPoolExecutor(1) as thread:
            ended = thread.submit(
                perform,
                training,
                self._datasets[training.measurement.dataset],
                sandbox=self._sandbox(training.measurement.sandbox),
                device=self._device,
                on_epoch=told.put,
            )
            ended.add_done_callback(lambda _: told.put(None))
            while (epochs := told.get()) is not None:
                yield epochs
        yield _answer(ended).model_dump_json()

    def close(self) -> None:
        """End what runs, and leave no process and no folder behind."""
        for sandbox in self._sandboxes.values():
            sandbox.close()

    def _sandbox(self, back_end: Choice) -> Sandbox:
        if back_end not in self._sandboxes:
            self._sandboxes[back_end] = Sandbox(back_end, cuda=self._device != "cpu")
        return self._sandboxes[back_end]


def _check_versions(expected: Mapping[str, str]) -> None:
    if (found := versions()) != dict(expected):
        others = ", ".join(
            f"{package} {found.get(package, 'none')} (the driver: {wanted})"
            for package, wanted in expected.items()
            if found.get(package) != wanted
        )
        raise ConfigError(f"this node would measure something else: it has {others}")


def _answer(ended: "Future[Ended]") -> Ended | Refusal:
    try:
        return ended.result()
    except (ConfigError, SandboxError) as error:
        return _refusal(error)


def _refusal(error: ConfigError | SandboxError) -> Refusal:
    kind: Literal["sandbox", "config"]
    kind = "sandbox" if isinstance(error, SandboxError) else "config"
    return Refusal(kind=kind, message=str(error))
