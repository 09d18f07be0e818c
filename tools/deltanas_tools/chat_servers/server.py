"""A language model behind OpenAI's chat API."""

import logging
import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar, cast

import openai
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from deltanas_repo_store.errors import ConfigError, ProposerError
from deltanas_tools.chat_servers import adapters
from deltanas_tools.chat_servers.answers import Answer, quote, read_answer, read_models
from deltanas_tools.chat_servers.breaker import Breaker
from deltanas_tools.chat_servers.failures import (
    describe,
    is_passing,
    may_cost,
    remedy,
    retry_after,
)
from deltanas_tools.chat_servers.flavours import grammar_fields, model_name, sampling_fields
from deltanas_tools.chat_servers.ledger import NOTHING, Ledger, Spent, Usage, most_tokens
from deltanas_tools.chat_servers.spec import ServerSpec
from deltanas_tools.language_models.records import Message, Sampling

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

logger = logging.getLogger(__name__)

MAX_PARALLEL = 64
"""Requests under way at once; servers queue what they cannot batch."""
PROBE_SECONDS = 10.0
"""How long a server may take to show that it is alive."""
SEEDS = 2**31 - 1
"""Seeds are taken modulo this: all servers take these, and none reads one as *at random*."""
_BACK_OFF = wait_random_exponential(multiplier=1, max=60)
_SHOWN_MODELS = 20

Result = TypeVar("Result")


@dataclass(frozen=True)
class _Question:
    """What all answers of one call have in common."""

    messages: Sequence[Message]
    sampling: Sampling
    fields: Mapping[str, object]
    most: Usage


class ChatServer:
    """Answers by requests to a server. Safe to share among threads; close it at the end.

    Raises:
        ConfigError: the key is none that can be sent.
    """

    def __init__(
        self,
        spec: ServerSpec,
        *,
        api_key: str,
        spent: Spent,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.spec = spec
        self._api_key = _checked_key(api_key, spec)
        self._sleep = sleep
        self._ledger = Ledger(spec, spent)
        self._breaker = Breaker(spec.base_url)
        self._client = openai.OpenAI(
            base_url=spec.base_url,
            api_key=self._api_key or "none",  # an empty one is looked for in the environment
            timeout=spec.timeout_seconds,
            max_retries=0,  # ours know the ledger and the breaker
        )

    def __enter__(self) -> Self:
        """Return the server, which is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def name(self) -> str:
        """The model's name without its folders, and the adapter's: safe as a `records.Name`."""
        last = self.spec.model.rstrip("/").rsplit("/", 1)[-1]
        parts = [last] if self.spec.adapter is None else [last, self.spec.adapter]
        name = re.sub(r"[^A-Za-z0-9._-]|[._-]{2,}", "-", "-".join(parts))
        return re.sub(r"-{2,}", "-", name).strip("._-")[:64].rstrip("._-") or "model"

    @property
    def spent(self) -> Spent:
        """What was spent, with what earlier sessions spent."""
        return self._ledger.spent

    def complete(
        self,
        messages: Sequence[Message],
        *,
        seeds: Sequence[int],
        sampling: Sampling,
        grammar: str | None = None,
    ) -> list[Answer]:
        """Return an answer for each seed, from requests that are under way at the same time.

        One request for each: several answers of one are not reproducible by their seeds, and
        llama.cpp tells the tokens of the first alone. Servers cache the common prompt.

        Args:
            messages: The prompt.
            seeds: One for each answer; the same seed may give the same answer.
            sampling: How tokens are drawn; top-k is not sent to plain servers.
            grammar: What answers are held to, in the notation ``spec.grammar_form``.

        Raises:
            ConfigError: the server takes no grammar, or has not the adapter.
            ProposerError: the server is down, refuses, sends nonsense, or a cap does not allow
                all answers; for that it is first looked, before anything is sent.
        """
        fields = sampling_fields(self.spec, sampling) | grammar_fields(self.spec, grammar)
        most = most_tokens(messages, sampling)
        self._ledger.check(most, len(seeds))
        self._probe()
        fields |= self._retried(adapters.request_fields, self._client, self.spec)
        question = _Question(messages, sampling, fields, most)
        with ThreadPoolExecutor(max(1, min(len(seeds), MAX_PARALLEL))) as pool:
            futures = [pool.submit(self._retried, self._ask, question, seed) for seed in seeds]
        return [each.result() for each in futures]

    def load_adapter(self, name: str, path: Path) -> None:
        """Make ``name`` stand for the adapter at ``path``, which the server must be able to read.

        Requests use it where ``spec.adapter`` is its name.

        Raises:
            ConfigError: this server cannot load adapters, or llama.cpp was started without it.
            ProposerError: the server is down, or refuses the adapter.
        """
        self._retried(adapters.load, self._client, self.spec, name, path)

    def unload_adapter(self, name: str) -> None:
        """Take an adapter off the server.

        Raises:
            ConfigError: this server cannot unload adapters.
            ProposerError: the server is down, or has no such adapter.
        """
        self._retried(adapters.unload, self._client, self.spec, name)

    def _retried(self, call: Callable[..., Result], *args: object) -> Result:
        """Call, and call again where that may help.

        Raises:
            ProposerError: nothing helped.
        """
        retrying = Retrying(
            stop=stop_after_attempt(1 + self.spec.max_retries),
            retry=retry_if_exception(is_passing),
            wait=_wait,
            before_sleep=self._log,
            sleep=self._sleep,
            reraise=True,
        )
        with self._explained():
            return retrying(call, *args)

    def _ask(self, question: _Question, seed: int) -> Answer:
        self._breaker.check()
        turns = [{"role": each.role, "content": each.text} for each in question.messages]
        with self._ledger.reserved(question.most) as bill:
            try:
                response = self._client.chat.completions.with_raw_response.create(
                    model=model_name(self.spec),
                    messages=cast("list[ChatCompletionMessageParam]", turns),
                    seed=seed % SEEDS,
                    temperature=question.sampling.temperature,
                    top_p=question.sampling.top_p,
                    max_tokens=question.sampling.max_new_tokens,
                    extra_body=question.fields,
                )
            except openai.APIError as error:
                if not may_cost(error):
                    bill.settle(NOTHING)
                raise
            self._breaker.succeeded()
            answer = read_answer(
                response.http_response.text,
                most=question.most,
                where=self.spec.base_url,
                api_key=self._api_key,
            )
            if not answer.is_estimate:
                bill.settle(Usage(answer.input_tokens, answer.num_tokens))
        return answer

    def _probe(self) -> None:
        """Where the breaker is open, look whether the server is alive.

        Raises:
            ProposerError: it is not.
        """
        if not self._breaker.is_open:
            return
        try:
            self._client.with_options(timeout=PROBE_SECONDS).get("/models", cast_to=str)
        except openai.APIError as error:
            if is_passing(error):
                self._breaker.failed(describe(error, self._api_key))
                self._breaker.check()
        self._breaker.half_open()

    @contextmanager
    def _explained(self) -> Generator[None]:
        """Turn the client's errors into ours.

        Without their chain: they hold the request, and that the key.
        """
        try:
            yield
        except openai.APIError as error:
            what = describe(error, self._api_key)
            if is_passing(error):
                self._breaker.failed(what)
                end = "; the run can be resumed when it is well again"
            elif isinstance(error, openai.NotFoundError):
                end = self._listing()
            else:
                end = remedy(error, self.spec.api_key_env)
            raise ProposerError(f"the server at {self.spec.base_url}: {what}{end}") from None

    def _listing(self) -> str:
        """Say what models there are, after a model or a page was not found."""
        try:
            names = read_models(self._client.get("/models", cast_to=str))
        except openai.APIError:
            names = ()
        if not names:
            return "; nor does it list its models: does the address end in /v1?"
        return f"; it has the models: {quote(', '.join(names[:_SHOWN_MODELS]), self._api_key)}"

    def _log(self, state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        reason = describe(error, self._api_key) if isinstance(error, openai.APIError) else ""
        seconds = state.next_action.sleep if state.next_action is not None else 0.0
        logger.warning(
            "the server failed; asking again",
            extra={"server": self.spec.base_url, "reason": reason, "seconds": round(seconds, 1)},
        )


def _checked_key(api_key: str, spec: ServerSpec) -> str:
    key = api_key.strip()  # files and shells like to end it with a newline
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise ConfigError(
            f"the key in {spec.api_key_env or 'api_key'} cannot be sent in a header: "
            "it must be printable ASCII without spaces"
        )
    return key


def _wait(state: RetryCallState) -> float:
    """Return the seconds until the next try: what the server asks for, else more each time."""
    asked = retry_after(state.outcome.exception()) if state.outcome is not None else None
    return _BACK_OFF(state) if asked is None else asked
