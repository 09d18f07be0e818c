"""Parsing model-written source, in several threads too."""

import gc
import sys
import time
from collections.abc import Callable, Generator
from threading import Thread

import pytest

from deltanas_repo_store.baselines import baselines
from deltanas_tools.datasets import Dataset
from deltanas_tools.syntax import parse, parse_expression

SOURCE = baselines()["conv-mixer"].source
SECONDS = 1.0


@pytest.fixture
def eager_switching() -> Generator[None]:
    """Have threads take turns in the middle of a parse, as a collection there may cause."""
    interval = sys.getswitchinterval()

    def give_way(*_: object) -> None:
        time.sleep(0)

    gc.callbacks.append(give_way)
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)
    gc.callbacks.remove(give_way)


@pytest.mark.usefixtures("eager_switching")
def test_threads_may_parse_while_others_read_arrays(digits: Dataset) -> None:
    failures: list[BaseException] = []

    def repeat(action: Callable[[], object]) -> None:
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and not failures:
            try:
                action()
            except BaseException as error:
                failures.append(error)

    actions = (
        lambda: parse(SOURCE),
        lambda: digits.labels("search"),
        lambda: digits.images("test"),
    )
    threads = [Thread(target=repeat, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize("text", ["", "a b", "x = 1", "(" * 500, "\0", "\ud800"], ids=ascii)
def test_what_is_no_expression_is_one_exception(text: str) -> None:
    with pytest.raises(SyntaxError):
        parse_expression(text)
