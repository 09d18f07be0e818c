"""What a language model is tuned on: a chat, and the answer that it should have got."""

from typing import Annotated

from pydantic import Field

from deltanas_repo_store.records import Record, Text
from deltanas_tools.language_models.records import Message


class Example(Record):
    """One pair of the corpus."""

    prompt: Annotated[tuple[Message, ...], Field(min_length=1)]
    """The chat up to the answer."""
    completion: Annotated[Text, Field(min_length=1)]
    """The assistant's answer, its last newline included; the trainer adds the end of the turn."""
