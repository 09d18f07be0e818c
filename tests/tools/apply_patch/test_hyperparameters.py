"""read_hyperparameters: the text of an answer's hp tag, and what is valid in it."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.records import HParams, HParamValue
from deltanas_tools.apply_patch.hyperparameters import read_hyperparameters

KNOWN: dict[str, HParamValue] = {
    "lr": 0.01,
    "momentum": 0.9,
    "dropout": 0,
    "width": 64,
    "scale": 0.5,
    "bias": True,
    "act": "relu",
    "pretrained": 0,
}
VALID = TypeAdapter[HParams](HParams)


def problem(text: str) -> str:
    """The one fault of a text of which nothing is valid."""
    read = read_hyperparameters(text, KNOWN)
    assert read.values == {}
    [sentence] = read.problems
    return sentence


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('{"lr": 0.1, "width": 32}', id="JSON"),
        pytest.param("{'lr': 1e-1, 'width': 32}", id="Python"),
        pytest.param('{\n  "lr": 0.1,\n  "width": 32,\n}', id="a comma too many"),
        pytest.param("{'lr': 0.1,  # higher\n 'width': 32}", id="a comment"),
        pytest.param('```json\n{"lr": 0.1, "width": 32}\n```', id="a fence with a language"),
        pytest.param("```\n{'lr': 0.1, 'width': 32}\n```\n", id="a fence"),
        pytest.param('```{"lr": 0.1, "width": 32}```', id="a fence on one line"),
        pytest.param('\n  {"lr": 0.1, "width": 32}\n', id="white space"),
    ],
)
def test_json_and_python_are_read_alike(text: str) -> None:
    read = read_hyperparameters(text, KNOWN)
    assert read.values == {"lr": 0.1, "width": 32}
    assert read.problems == ()


@pytest.mark.parametrize("name", baselines())
def test_every_baseline_may_keep_its_own(name: str) -> None:
    hparams = baselines()[name].hparams
    read = read_hyperparameters(json.dumps(dict(hparams)), hparams)
    assert read.values == hparams
    assert read.problems == ()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param('{"lr": 1}', 1.0, id="greatest learning rate"),
        pytest.param('{"lr": 1e-7}', 1e-7, id="small learning rate"),
        pytest.param('{"momentum": 0}', 0.0, id="least momentum"),
        pytest.param('{"dropout": 0.5}', 0.5, id="a fraction where the parent has an integer"),
        pytest.param('{"dropout": 0.0}', 0, id="the parent's value keeps the parent's type"),
        pytest.param('{"batch": 4096}', 4096, id="greatest batch"),
        pytest.param('{"batch": 64.0}', 64, id="an integral batch"),
        pytest.param('{"width": 32.0}', 32, id="an integral number for an integer"),
        pytest.param('{"scale": 2}', 2.0, id="an integer for a number"),
        pytest.param('{"bias": false}', False, id="truth value"),
        pytest.param('{"act": "gelu"}', "gelu", id="text"),
        pytest.param('{"pretrained": 1}', 1, id="pretrained"),
    ],
)
def test_a_valid_value_is_returned_in_its_type(text: str, value: HParamValue) -> None:
    read = read_hyperparameters(text, KNOWN)
    assert read.problems == ()
    [found] = read.values.values()
    assert (found, type(found)) == (value, type(value))


LR = "a finite number above 0 to 1"
UNIT = "a finite number from 0 to 1"
HALF = "a finite number from 0 to 0.5"
BATCH = "an integer from 1 to 4096"
ASCII = "at most 128 printable ASCII characters"
NEITHER = "no number, text or truth value"


@pytest.mark.parametrize(
    ("name", "value", "expected", "found"),
    [
        pytest.param("lr", "0", LR, "0", id="no learning rate"),
        pytest.param("lr", "1.5", LR, "1.5", id="too high a learning rate"),
        pytest.param("lr", '"0.1"', LR, "'0.1'", id="number in quotes"),
        pytest.param("lr", "true", LR, "True", id="truth value for a number"),
        pytest.param("momentum", "-0.1", UNIT, "-0.1", id="below the range"),
        pytest.param("dropout", "0.6", HALF, "0.6", id="above the range"),
        pytest.param("scale", "NaN", "a finite number", "nan", id="not a number"),
        pytest.param("scale", "1e999", "a finite number", "inf", id="infinite"),
        pytest.param("scale", "2j", "a finite number", NEITHER, id="complex number"),
        pytest.param("scale", "null", "a finite number", "None", id="null"),
        pytest.param("batch", "0", BATCH, "0", id="no batch"),
        pytest.param("batch", "8192", BATCH, "8192", id="too large a batch"),
        pytest.param("batch", "1.5", BATCH, "1.5", id="broken batch"),
        pytest.param("batch", "true", BATCH, "True", id="truth value for a batch"),
        pytest.param("pretrained", "2", "an integer from 0 to 1", "2", id="pretrained"),
        pytest.param("width", "1.5", "an integer", "1.5", id="fraction for an integer"),
        pytest.param(
            "width", str(2**63), "an integer", "an integer of more than 63 bits", id="64 bits"
        ),
        pytest.param("width", "[64]", "an integer", NEITHER, id="list"),
        pytest.param("width", '{"x": 1}', "an integer", NEITHER, id="object"),
        pytest.param("bias", "1", "true or false", "1", id="number for a truth value"),
        pytest.param("act", "1", ASCII, "1", id="number for text"),
        pytest.param("act", '"\\n"', ASCII, "'\\n'", id="control character"),
        pytest.param("act", f'"{"x" * 129}"', ASCII, f"'{'x' * 79}...", id="long text"),
    ],
)
def test_an_invalid_value_is_a_sentence_with_what_was_expected_and_found(
    name: str, value: str, expected: str, found: str
) -> None:
    assert problem(f'{{"{name}": {value}}}') == f"{name}: expected {expected}, found {found}"


@pytest.mark.parametrize(("name", "found"), [('"epoch"', "'epoch'"), ("1", "1")])
def test_a_name_that_the_network_does_not_take_is_a_fault(name: str, found: str) -> None:
    assert problem(f"{{{name}: 5}}") == (
        "expected names among the network's (act, batch, bias, dropout, lr, momentum, "
        f"pretrained, scale, width), found {found}"
    )


def test_a_value_outside_of_the_range_is_valid_where_it_is_the_parents() -> None:
    assert read_hyperparameters('{"dropout": 0.6}', {"dropout": 0.6}).problems == ()


def test_the_valid_ones_are_kept_beside_faults() -> None:
    text = '{"lr": 0.1, "transform": "norm_256_flip", "momentum": 2, "batch": 32}'
    read = read_hyperparameters(text, KNOWN)
    assert read.values == {"lr": 0.1, "batch": 32}
    assert len(read.problems) == 2


@pytest.mark.parametrize("text", ['{"lr": 0.1, "lr": 0.2}', "{'lr': 0.1, 'lr': 0.2}"])
def test_of_a_name_that_stands_twice_the_first_value_counts(text: str) -> None:
    read = read_hyperparameters(text, KNOWN)
    assert read.values == {"lr": 0.1}
    assert read.problems == ("lr: expected one value, found a second one, which is passed over",)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", "nothing", id="nothing"),
        pytest.param("``````", "nothing", id="an empty fence"),
        pytest.param("lr = 0.1", "'lr = 0.1'", id="an assignment"),
        pytest.param("0.1", "'0.1'", id="a number"),
        pytest.param('["lr"]', "'[\"lr\"]'", id="a list"),
        pytest.param("null", "'null'", id="null"),
        pytest.param("{'lr'}", "\"{'lr'}\"", id="a set"),
        pytest.param("{'lr': rate}", "\"{'lr': rate}\"", id="a name as the value"),
        pytest.param("{'lr': 10 ** 9}", "\"{'lr': 10 ** 9}\"", id="arithmetic"),
        pytest.param("{**{}}", "'{**{}}'", id="unpacking"),
        pytest.param("{'lr': {[]: 1}}", "\"{'lr': {[]: 1}}\"", id="an unhashable key"),
        pytest.param("{'lr': 0.1", "\"{'lr': 0.1\"", id="an open bracket"),
        pytest.param("\ud800", "'\\ud800'", id="a lone surrogate"),
        pytest.param("\0", "'\\x00'", id="a NUL character"),
        pytest.param("{" + "'" * 100, '"{' + "'" * 78 + "...", id="long"),
    ],
)
def test_a_text_that_is_no_table_is_one_fault(text: str, found: str) -> None:
    expected = 'expected hyper-parameters as a JSON object, such as {"lr": 0.01}, found '
    assert problem(text) == expected + found


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("(" * 4000, id="brackets"),
        pytest.param("[" * 4000, id="square brackets"),
        pytest.param('{"lr": ' * 600 + "1" + "}" * 600, id="nested objects"),
        pytest.param('{"lr": ' + "[" * 900 + "]" * 900 + "}", id="nested lists in JSON"),
        pytest.param("{'lr': " + "-" * 4000 + "1}", id="minus signs"),
        pytest.param("{'lr': " + "not " * 1000 + "1}", id="operators"),
        pytest.param("{'lr': 0x" + "f" * 4000 + "}", id="a number of 16000 bits"),
        pytest.param('{"lr": ' + "9" * 4000 + "}", id="a number of 4000 digits"),
        pytest.param("{'lr': '\\d'}", id="a doubtful escape"),
        pytest.param("```" + " " * 4000, id="white space"),
        pytest.param("```" + " " * 4000 + "```", id="white space in a fence"),
        pytest.param('{"lr": 0.1}' + " x" * 4000, id="more than is read"),
        pytest.param("{" + ", ".join(f"'a{i}': 1" for i in range(65)) + "}", id="65 names"),
    ],
)
def test_a_hostile_text_is_one_fault_of_bounded_length(text: str) -> None:
    assert len(problem(text)) < 300


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.text() | st.text(alphabet="{}[]()':,\"`lrbatch0123456789.-e \n"))
def test_any_text_is_read_or_refused_in_sentences(text: str) -> None:
    read = read_hyperparameters(text, KNOWN)
    VALID.validate_python(read.values)
    assert all(isinstance(sentence, str) and sentence for sentence in read.problems)


@given(
    st.dictionaries(st.sampled_from([*KNOWN, "batch"]) | st.text(), JSON_VALUES),
    st.sampled_from([json.dumps, repr]),
)
def test_each_name_is_either_valid_for_the_store_or_a_fault(
    table: dict[str, object], written: Callable[[object], str]
) -> None:
    read = read_hyperparameters(written(table), KNOWN)
    VALID.validate_python(read.values)
    unread = bool(table) and not read.values and len(read.problems) == 1
    assert unread or len(read.values) + len(read.problems) == len(table)
