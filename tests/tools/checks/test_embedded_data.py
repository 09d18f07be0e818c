"""check_no_embedded_data: a candidate brings code, and no weights or answers."""

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import BuildError
from deltanas_tools.checks import check_no_embedded_data
from tests.networks_for_tests import network

NET = network()
BLOB = random.Random(0).randbytes(24_000)
TEXT = base64.b64encode(BLOB).decode()
DIGITS = ", ".join(map(str, BLOB[:2000]))


def refusal(source: str, parent: str = NET) -> BuildError:
    with pytest.raises(BuildError) as caught:
        check_no_embedded_data(source, parent)
    return caught.value


def of_literals(size: int) -> str:
    """The network with new literals of ``size`` bytes that pack to little."""
    return network(module=f"text = {'a' * size!r}")


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(NET, id="no change"),
        pytest.param(
            network(init="self.norm = nn.BatchNorm2d(8)", forward="x = self.norm(x) * 0.5"),
            id="delta",
        ),
        pytest.param(network(module='"""One line.\n\nAnd a few\nmore lines.\n"""'), id="docstring"),
        pytest.param(network(module="# a comment of a line\n" * 20), id="comments"),
        pytest.param(network(module="widths = [64, 128, 256, 512] * 8"), id="table of widths"),
    ],
)
def test_a_usual_delta_passes(source: str) -> None:
    check_no_embedded_data(source, NET)


@pytest.mark.parametrize("name", baselines())
def test_a_whole_network_passes_over_a_parent_without_a_line_of_it(name: str) -> None:
    check_no_embedded_data(baselines()[name].source, "")


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(f"weights = {TEXT[:6000]!r}", id="base64"),
        pytest.param(
            "\n".join(f"w{at} = {TEXT[at : at + 60]!r}" for at in range(0, 6000, 60)),
            id="short strings",
        ),
        pytest.param(f"weights = {BLOB[:5000]!r}", id="bytes"),
        pytest.param(f"weights = [{DIGITS}]", id="list of numbers"),
        pytest.param(f"answers = {[byte < 128 for byte in BLOB[:2000]]}", id="list of booleans"),
        pytest.param(f"weights = 0x{BLOB[:5000].hex()}", id="one long number"),
        pytest.param(f"weights = f'{TEXT[:6000]}{{nn}}'", id="text of an f-string"),
        pytest.param(f"def f():\n    '{TEXT[:6000]}'", id="docstring"),
        pytest.param("text = '" + "\\ud800" * 2000 + "'", id="lone surrogates"),
        pytest.param("text = '" + "\u4e00" * 2000 + "'", id="characters of three bytes"),
    ],
)
def test_many_literals_are_refused(module: str) -> None:
    error = refusal(network(module=module))
    assert (error.code, "bytes of literals" in str(error)) == ("embedded-data", True)


@pytest.mark.parametrize(
    "module",
    [
        pytest.param(f"# {TEXT}", id="one comment"),
        pytest.param(
            "\n".join(f"# {TEXT[at : at + 60]}" for at in range(0, 32_000, 60)),
            id="comments of a line",
        ),
        pytest.param(f"class Weights:\n    w{BLOB[:12_000].hex()}: int", id="name"),
        pytest.param(
            "\n".join(" " * (byte % 64) + "#" for byte in BLOB[:16_000]), id="indentation"
        ),
    ],
)
def test_data_that_is_no_literal_is_refused_as_text(module: str) -> None:
    error = refusal(network(module=module))
    assert (error.code, "pack to" in str(error)) == ("embedded-data", True)


def test_literals_of_the_limit_pass() -> None:
    check_no_embedded_data(of_literals(4096), NET)


def test_literals_above_the_limit_are_refused() -> None:
    refusal(of_literals(4097))


def test_the_parents_data_is_not_counted_again() -> None:
    data = f"weights = {TEXT[:6000]!r}\n# {TEXT}"
    check_no_embedded_data(network(module=data, forward="x = x * 2"), network(module=data))


def test_the_parents_literals_may_move_to_other_lines() -> None:
    parent, source = (network(module=f"{name} = {TEXT[:6000]!r}") for name in ("old", "new"))
    check_no_embedded_data(source, parent)


def test_the_parents_data_counts_where_it_is_repeated() -> None:
    parent, source = (network(module=f"bits = [{'0, 1, ' * count}]") for count in (300, 600))
    assert "found 4800" in str(refusal(source, parent))


def test_data_in_the_place_of_other_data_is_counted() -> None:
    parent, source = (network(module=f"weights = {text!r}") for text in (TEXT[:6000], TEXT[-6000:]))
    refusal(source, parent)


def test_an_equal_value_of_another_type_is_counted() -> None:
    parent, source = (f"bits = [{f'{word}, ' * 600}]" for word in ("1", "True"))
    refusal(source, parent)


def test_a_refusal_of_literals_says_how_many_bytes_are_where() -> None:
    source = network(module="scale = 0.25", init=f"self.table = {'a' * 5000!r}")
    says = "at most 4096 bytes of literals that the parent does not have, found 5008, 5000 of them"
    assert f"{says} at line 18" in str(refusal(source))


def test_the_numbers_of_a_line_are_named_together() -> None:
    source = f"scale = 0.25\nweights = [{DIGITS}]"
    assert "found 16008, 16000 of them at line 2" in str(refusal(source, ""))


def test_a_refusal_of_text_names_its_sizes() -> None:
    message = str(refusal(f"# {TEXT}", ""))
    assert "at most 8192 bytes" in message
    assert "found 32002 bytes that pack to 2" in message


def test_a_refusal_of_text_names_the_longest_line() -> None:
    assert "the longest line at line 2;" in str(refusal(f"# short\n# {TEXT}\n# short", ""))


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("x = " + "[" * 90 + "1" + "]" * 90, id="lists"),
        pytest.param("x = 1" + "+1" * 400, id="sum"),
        pytest.param("x" + ".x" * 5000, id="attributes"),
        pytest.param("x = 1" + "+1" * 100_000, id="sum that is too deep"),
        pytest.param("(" * 100_000, id="open brackets"),
        pytest.param("x = " + "lambda: " * 20_000 + "1", id="lambdas"),
    ],
)
def test_a_deep_expression_is_no_trouble(source: str) -> None:
    check_no_embedded_data(source, NET)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("def f(:", id="syntax error"),
        pytest.param("x = '\0'", id="NUL byte"),
        pytest.param("x = '\ud800'", id="lone surrogate"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_text_that_is_not_python_is_left_to_the_interface_check(source: str) -> None:
    check_no_embedded_data(source, NET)


@given(st.text(), st.text())
def test_any_short_text_passes_over_any_other(source: str, parent: str) -> None:
    check_no_embedded_data(source, parent)


def test_a_doubtful_escape_is_no_warning() -> None:
    check_no_embedded_data(network(module=r"pattern = '\d'"), NET)
