"""Which networks build, and which pairs are effective: each is built once, and kept in a file.

A corpus whose building was stopped goes on by being built again.
"""

import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from deltanas_agent.checking import LIMITS, InputSize
from deltanas_agent.trainers import Place, Trainers
from deltanas_repo_store.errors import BuildError, ConfigError
from deltanas_repo_store.records import Architecture, Record, Trace
from deltanas_tools.checks import check_build, check_interface, check_no_embedded_data
from deltanas_tools.finetune_lora.corpus import Pair

NOT_KEPT = ("timeout", "out-of-memory")
"""Codes that another day may not bring."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Stopped(Exception):
    """The corpus was cancelled before a build."""


class Built(Record):
    """What came of building one network at one size: a line of the file."""

    key: str
    size: str
    code: str = ""
    """The kind of fault; empty where it works."""
    num_params: Annotated[int, Field(ge=0)] = 0
    """Trainable parameters."""
    trace: Trace = ""
    """What it computes; empty where it does not work."""


class Builds:
    """Builds networks in the sandboxes of the trainers, and remembers what came of it."""

    def __init__(
        self, file: Path, trainers: Trainers, cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        """Read what is known. ``cancelled`` is asked before every build.

        Raises:
            ConfigError: the file cannot be read.
        """
        self._file = file
        self._trainers = trainers
        self._cancelled = cancelled
        self._lock = Lock()
        self._known = {each.key: each for each in _read(file)}

    def __len__(self) -> int:
        """Return how many builds run at the same time."""
        return len(self._trainers)

    def begin_sizes(self, architecture: Architecture, sizes: Sequence[str]) -> "Future[Built]":
        """Build a network at the first size that works; at the last where none does.

        Raises:
            Stopped: it was cancelled.
            SandboxError: from the result; nothing can be run safely here.
        """

        def job(place: Place) -> Built:
            for size in sizes:
                built = self._of(architecture, size, place)
                if built.trace:
                    break
            return built

        return self._begin(job)

    def begin_pair(self, pair: Pair) -> "Future[str]":
        """Say why a pair is nothing to learn from; empty where both build and compute otherwise.

        Raises:
            Stopped: it was cancelled.
            SandboxError: from the result; nothing can be run safely here.
        """

        def job(place: Place) -> str:
            child = Architecture(source=pair.child, hparams=pair.parent.hparams)
            try:
                check_no_embedded_data(pair.child, pair.parent.source)
            except BuildError:
                return "data in the child's source"
            parent = self._of(pair.parent, pair.input, place)
            if not parent.trace:
                return "the parent does not build"
            built = self._of(child, pair.input, place)
            if not built.trace:
                return "the child does not build"
            return "ineffective" if built.trace == parent.trace else ""

        return self._begin(job)

    def _begin(self, job: Callable[[Place], _Result]) -> "Future[_Result]":
        if self._cancelled():
            raise Stopped
        return self._trainers.submit(job)

    def _of(self, architecture: Architecture, size: str, place: Place) -> Built:
        parts = [version("torch"), size, architecture.hparams_text(), architecture.source]
        key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
        if key not in self._known:
            built = _build(key, architecture, size, place)
            with self._lock:
                self._known[key] = built
                if built.code not in NOT_KEPT:
                    _append(self._file, built)
        return self._known[key]


def in_order(
    items: Iterable[_Item], begin: Callable[[_Item], "Future[_Result]"], *, ahead: int
) -> Generator[tuple[_Item, _Result]]:
    """Yield items with what came of them, in their order, while later ones are under way.

    What comes out does not depend on how many are under way at the same time.
    """
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    try:
        for item in items:
            waiting.append((item, begin(item)))
            if len(waiting) >= ahead:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
    finally:
        for _, future in waiting:
            future.cancel()


def _build(key: str, architecture: Architecture, size: str, place: Place) -> Built:
    shape = InputSize(size)
    try:
        check_interface(architecture.source)
        build = check_build(
            architecture,
            in_shape=shape.in_shape,
            num_classes=shape.num_classes,
            sandbox=place.sandbox,
            limits=LIMITS,
        )
    except BuildError as error:
        return Built(key=key, size=size, code=error.code)
    return Built(key=key, size=size, num_params=build.num_params, trace=build.trace)


def _read(file: Path) -> Iterator[Built]:
    try:
        lines = file.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(
            f"cannot read {file}, which has what was built before: {error}"
        ) from error
    for line in lines:
        try:
            yield Built.model_validate_json(line)
        except ValidationError:
            continue  # a process was killed amid a line; that network is built again


def _append(file: Path, built: Built) -> None:
    line = f"{built.model_dump_json()}\n".encode()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ConfigError(f"cannot write {file}, which keeps what was built: {error}") from error
