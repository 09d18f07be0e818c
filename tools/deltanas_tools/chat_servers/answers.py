"""Reads what a server sent: a chat completion, or nonsense."""

import logging
import re
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.chat_servers.ledger import Usage
from deltanas_tools.language_models.records import Generation

logger = logging.getLogger(__name__)

QUOTED = 200
"""Characters of a server's words that an error repeats."""

_KEY_LIKE = re.compile(r"\b(?:sk|gsk|hf|nvapi)[-_][\w*.-]+|(?i:bearer)\s+\S+")
"""Keys as the larger providers make them, also with stars for the middle, as in their errors."""


class Answer(Generation):
    """A generation, and what its prompt took on the server."""

    input_tokens: Annotated[int, Field(ge=0)]
    is_estimate: bool
    """True where the server told no tokens: the numbers are then the most they can be."""


_Tokens = Annotated[int, Field(ge=0, le=10**9)]


class _Message(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: _Tokens
    completion_tokens: _Tokens


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None


class _Model(BaseModel):
    id: str


class _Models(BaseModel):
    data: list[_Model]


def quote(text: str, api_key: str) -> str:
    """Return the beginning of a server's words on one line, without keys."""
    # Before it is cut: half a key is no longer found.
    clean = text.replace(api_key, "[key]") if api_key else text
    clean = _KEY_LIKE.sub("[key]", " ".join(clean.split()))
    return clean[:QUOTED] + ("…" if len(clean) > QUOTED else "") if clean else "nothing"


def read_answer(text: str, *, most: Usage, where: str, api_key: str) -> Answer:
    """Return the answer in a response.

    Raises:
        ProposerError: it is no chat completion with an answer in it.
    """
    try:
        completion = _Completion.model_validate_json(text)
    except ValidationError as error:
        wrong = "; ".join(_fault(each["loc"], each["msg"]) for each in error.errors()[:2])
        raise ProposerError(
            f"the server at {where} sent no chat completion ({wrong}) but: {quote(text, api_key)}"
        ) from None
    choice = completion.choices[0]
    content = choice.message.content
    if content is None and choice.finish_reason != "length":
        # With "length" a model that reasons spent all its tokens before it began to answer.
        raise ProposerError(
            f"the server at {where} sent a completion without text: {quote(text, api_key)}"
        )
    return _answer(content or "", choice.finish_reason, completion.usage, most)


def _answer(text: str, finish_reason: str | None, usage: _Usage | None, most: Usage) -> Answer:
    if usage is None:
        logger.warning("the server does not tell tokens; bytes are counted instead")
        output_tokens = min(len(text.encode(errors="replace")), most.output_tokens)
        used = Usage(most.input_tokens, output_tokens)
    else:
        used = Usage(usage.prompt_tokens, usage.completion_tokens)
    return Answer(
        text=text,
        num_tokens=used.output_tokens,
        finished=finish_reason == "stop",
        input_tokens=used.input_tokens,
        is_estimate=usage is None,
    )


def _fault(place: tuple[int | str, ...], message: str) -> str:
    path = ".".join(str(each) for each in place)
    return f"{path}: {message}" if path else message


def read_models(text: str) -> tuple[str, ...]:
    """Return the names of a server's models; none where it is not a list of models."""
    try:
        return tuple(each.id for each in _Models.model_validate_json(text).data)
    except ValidationError:
        return ()
