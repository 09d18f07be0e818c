"""Builds every baseline in the sandbox, several at a time, and records what works at which size."""

import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import partial

from deltanas_agent.trainers import Place, Trainers
from deltanas_repo_store.entries import BaselineEntry
from deltanas_repo_store.errors import BuildError, ConfigError
from deltanas_repo_store.queries import checked_inputs
from deltanas_repo_store.records import Architecture, Check
from deltanas_repo_store.store import Store
from deltanas_tools.checks import Build, check_build, check_interface
from deltanas_tools.sandbox import Limits

BATCH = 4
"""Images of the batch that is run: enough for batch normalisation, and cheap."""

LIMITS = Limits(wall_seconds=60.0, memory_bytes=4 * 2**30)
_INPUT = re.compile(r"(\d{1,2})x(\d{1,4})x(\d{1,4})-(\d{1,5})")


class InputSize:
    """Channels, height, width and classes, as in ``3x32x32-10``."""

    def __init__(self, text: str) -> None:
        """Read one.

        Raises:
            ConfigError: it is none.
        """
        match = _INPUT.fullmatch(text)
        if match is None or "0" in match.groups():
            raise ConfigError(f"{text!r} is no input size; expected one such as 3x32x32-10")
        channels, height, width, self.num_classes = map(int, match.groups())
        self.in_shape = (BATCH, channels, height, width)
        self.text = f"{channels}x{height}x{width}-{self.num_classes}"


def check_all(
    store: Store,
    inputs: Sequence[InputSize],
    trainers: Trainers,
    *,
    names: Callable[[str], bool] = lambda _: True,
    again: bool = False,
    started: Callable[[int], None] = lambda _: None,
) -> Generator[tuple[str, Check]]:
    """Build baselines at every size, and yield each result when it is in the store.

    What was checked before is left out, unless it is to be done ``again``: a check that was stopped
    goes on by being started again. ``started`` is told how many there are.

    Raises:
        SandboxError: nothing can be run safely here.
    """
    done = {} if again else checked_inputs(store)
    waiting = [
        (entry, size)
        for entry in store.baselines()
        if names(entry.name)
        for size in inputs
        if size.text not in done.get(entry.id, ())
    ]
    started(len(waiting))
    under_way: dict[Future[Check], BaselineEntry] = {}
    for entry, size in waiting:
        if len(under_way) >= len(trainers):
            yield from _ended(store, under_way)
        under_way[trainers.submit(partial(_check, store.get(entry.id), size))] = entry
    while under_way:
        yield from _ended(store, under_way)


def _ended(
    store: Store, under_way: dict[Future[Check], BaselineEntry]
) -> Iterator[tuple[str, Check]]:
    """Record what has ended, and wait for it if nothing has."""
    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
        entry, check = under_way.pop(future), future.result()
        store.add_check(entry.id, check)
        yield entry.name, check


def _check(architecture: Architecture, size: InputSize, place: Place) -> Check:
    began = time.monotonic()
    code = message = ""
    build: Build | None = None
    try:
        check_interface(architecture.source)
        build = check_build(
            architecture,
            in_shape=size.in_shape,
            num_classes=size.num_classes,
            sandbox=place.sandbox,
            limits=LIMITS,
        )
    except BuildError as error:
        code, message = error.code, str(error)[:2000]
    return Check(
        input=size.text,
        code=code,
        message=message,
        num_params=build.num_params if build else None,
        num_operations=build.num_operations if build else None,
        trace=build.trace if build else "",
        seconds=time.monotonic() - began,
        isolation=place.sandbox.isolation,
    )
