"""Counts tokens and money, and sends no request that could break a cap."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Annotated, NamedTuple

from pydantic import Field

from deltanas_repo_store.errors import ProposerError
from deltanas_repo_store.records import Record
from deltanas_tools.chat_servers.spec import ServerSpec
from deltanas_tools.language_models.records import Message, Sampling

TEMPLATE_TOKENS = 64
"""Tokens that a chat template may add for a message: names of roles and marks take about 5; a
model's own system prompt, where there is none of ours, takes 20 to 40."""


class Spent(Record):
    """What was spent on a server."""

    input_tokens: Annotated[int, Field(ge=0)] = 0
    output_tokens: Annotated[int, Field(ge=0)] = 0
    usd: Annotated[float, Field(ge=0)] = 0.0
    num_estimated: Annotated[int, Field(ge=0)] = 0
    """Requests whose tokens the server did not tell. They count as the most they can have been."""


class Usage(NamedTuple):
    """Tokens of one request."""

    input_tokens: int
    output_tokens: int


NOTHING = Usage(0, 0)


def most_tokens(messages: Sequence[Message], sampling: Sampling) -> Usage:
    """Return the most that a request can take.

    A token of a prompt is a byte of it at least, for all tokenizers that work on bytes.
    """
    num_bytes = sum(len(each.text.encode()) + TEMPLATE_TOKENS for each in messages)
    return Usage(num_bytes, sampling.max_new_tokens)


@dataclass
class Bill:
    """What one request took: all that it can have taken, until it is known better."""

    used: Usage
    is_estimate: bool = True

    def settle(self, used: Usage) -> None:
        """Note what the request really took."""
        self.used, self.is_estimate = used, False


class Ledger:
    """What was spent, and what requests under way may yet add. Safe to share among threads."""

    def __init__(self, spec: ServerSpec, spent: Spent) -> None:
        self._spec = spec
        self._spent = spent
        self._under_way: list[Bill] = []
        self._lock = Lock()

    @property
    def spent(self) -> Spent:
        """What was spent until now, without what is under way."""
        with self._lock:
            return self._spent

    def check(self, most: Usage, num_requests: int) -> None:
        """Check that so many requests can be paid.

        Raises:
            ProposerError: a cap could be exceeded.
        """
        with self._lock:
            self._check(most, num_requests)

    @contextmanager
    def reserved(self, most: Usage) -> Generator[Bill]:
        """Set aside the most that a request can take, and book its bill at the end of the block.

        Raises:
            ProposerError: a cap could be exceeded; nothing was set aside.
        """
        bill = Bill(most)
        with self._lock:
            self._check(most, 1)
            self._under_way.append(bill)
        try:
            yield bill
        finally:
            with self._lock:
                self._under_way = [each for each in self._under_way if each is not bill]
                self._book(bill)

    def _check(self, most: Usage, num_requests: int) -> None:
        spec, spent = self._spec, self._spent
        pending = [each.used for each in self._under_way] + [most] * num_requests
        tokens = spent.input_tokens + spent.output_tokens
        most_total = tokens + sum(sum(each) for each in pending)
        if spec.max_tokens_total is not None and most_total > spec.max_tokens_total:
            raise ProposerError(
                f"budget: {tokens:,} tokens are spent, and what is asked for next could bring them "
                f"to {most_total:,}, above max_tokens_total = {spec.max_tokens_total:,}; "
                "raise it to go on: the run can be resumed"
            )
        most_usd = spent.usd + sum(self._price(each) for each in pending)
        if spec.max_usd is not None and most_usd > spec.max_usd:
            raise ProposerError(
                f"budget: {spent.usd:.4f} USD are spent, and what is asked for next could bring "
                f"them to {most_usd:.4f}, above max_usd = {spec.max_usd}; "
                "raise it to go on: the run can be resumed"
            )

    def _book(self, bill: Bill) -> None:
        spent = self._spent
        self._spent = Spent(
            input_tokens=spent.input_tokens + bill.used.input_tokens,
            output_tokens=spent.output_tokens + bill.used.output_tokens,
            usd=spent.usd + self._price(bill.used),
            num_estimated=spent.num_estimated + bill.is_estimate,
        )

    def _price(self, usage: Usage) -> float:
        """Return US dollars."""
        return (
            usage.input_tokens * self._spec.price_per_million_input
            + usage.output_tokens * self._spec.price_per_million_output
        ) / 1e6
