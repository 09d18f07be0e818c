from typing import Any

import pytest

from deltanas_repo_store.errors import ProposerError
from deltanas_tools.language_models import Message
from deltanas_tools.language_models.answer import Detokenizer
from tests.tools.language_models.small_models import (
    TEMPLATE_WITHOUT_SYSTEM,
    byte_tokenizer,
    sentencepiece_tokenizer,
    small_model,
)

CHAT = [Message(role="system", text="You edit."), Message(role="user", text="width = 8")]


def test_a_chat_is_written_by_the_models_own_template() -> None:
    model = small_model()
    assert model.tokenizer.decode(model.encode_chat(CHAT)) == (
        "<|im_start|>system\nYou edit.<|im_end|>\n<|im_start|>user\nwidth = 8<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_where_there_is_no_system_role_its_text_opens_the_first_users() -> None:
    model = small_model()
    model.tokenizer.chat_template = TEMPLATE_WITHOUT_SYSTEM
    assert model.tokenizer.decode(model.encode_chat(CHAT)) == (
        "<|im_start|>user\nYou edit.\n\nwidth = 8<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_that_leaves_the_system_out_is_not_trusted_with_it() -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    )
    model = small_model(tokenizer=tokenizer)
    assert model.tokenizer.decode(model.encode_chat(CHAT)) == "You edit.\n\nwidth = 8"


def test_a_chat_that_the_template_refuses_is_an_error_and_says_which() -> None:
    model = small_model()
    model.tokenizer.chat_template = TEMPLATE_WITHOUT_SYSTEM
    with pytest.raises(ProposerError, match="small refuses a chat of system: no system role"):
        model.encode_chat(CHAT[:1])


def test_earlier_turns_are_told() -> None:
    turns = [*CHAT, Message(role="assistant", text="@@"), Message(role="user", text="Again.")]
    text = byte_tokenizer().decode(small_model().encode_chat(turns))
    assert "<|im_start|>assistant\n@@<|im_end|>\n<|im_start|>user\nAgain.<|im_end|>" in text


def test_the_beginning_of_the_answer_has_the_tokens_it_has_on_its_own() -> None:
    model = small_model()
    # Together with the template's last newline, "+" would be one token.
    begun = model.encode_chat(CHAT, prefix="+x=")
    assert begun == model.encode_chat(CHAT) + model.tokenizer.encode("+x=")


def test_tokens_are_counted_without_special_ones() -> None:
    assert small_model().count("x=abc") == 3


@pytest.mark.parametrize("tokenizer", [byte_tokenizer(), sentencepiece_tokenizer()])
@pytest.mark.parametrize("text", ["@@\n x", " x", "  x", "\n", ""])
def test_a_text_within_another_gets_no_space_before_it(tokenizer: Any, text: str) -> None:
    model = small_model(tokenizer=tokenizer)
    assert Detokenizer(tokenizer).text(model.encode(text)) == text
