"""Reading what a hostile child wrote: a value or a ValueError, whatever the bytes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_tools.sandbox.messages import (
    clean_text,
    encode_frame,
    parse_object,
    shortened,
    split_reply,
)

SCALARS = st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.text()
OBJECTS = st.dictionaries(st.text(), SCALARS | st.floats(allow_nan=False, allow_infinity=False))


@given(header=OBJECTS, blob=st.binary())
def test_a_frame_comes_back_as_it_was(header: dict[str, object], blob: bytes) -> None:
    assert split_reply(encode_frame(header, blob)) == (header, blob)


@given(st.binary())
def test_any_bytes_are_a_reply_or_a_value_error(frame: bytes) -> None:
    try:
        header, _ = split_reply(frame)
    except ValueError:
        return
    assert isinstance(header, dict)


@given(st.text(alphabet='{}[]":,0123456789eE+-.NaInfity \\ud'))
def test_any_text_is_a_strict_object_or_a_value_error(text: str) -> None:
    try:
        value = parse_object(text.encode())
    except ValueError:
        return
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"a": 1, "a": 2}', id="key twice"),
        pytest.param('{"a": Infinity}', id="infinity by name"),
        pytest.param('{"a": -1e400}', id="infinity by value"),
        pytest.param('{"a": "\\udfff"}', id="lone surrogate"),
        pytest.param('{"\\udfff": 1}', id="lone surrogate in a key"),
        pytest.param('{"a": ' * 20_000, id="nested deeply and not closed"),
        pytest.param('{"a": ' + "[" * 20_000 + "]" * 20_000 + "}", id="nested deeply"),
        pytest.param('{"a": ' + "9" * 5000 + "}", id="more digits than Python converts"),
        pytest.param("{} {}", id="two objects"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_the_json_module_lets_through_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (any message: it goes into the failure's)
        parse_object(text.encode())


@given(st.text())
def test_clean_text_can_be_printed_and_encoded(text: str) -> None:
    cleaned = clean_text(text)
    assert all(c.isprintable() or c in "\n\t" for c in cleaned)
    cleaned.encode()


@given(st.text(), st.integers(4, 50))
def test_a_shortened_text_keeps_to_its_limit(text: str, limit: int) -> None:
    assert len(shortened(text, limit)) <= limit
