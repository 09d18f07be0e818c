"""check_interface: the shape of a source, read and not run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.baselines import baselines
from deltanas_repo_store.errors import BuildError
from deltanas_tools.checks import check_interface
from tests.networks_for_tests import network

NET = network()


def refusal(source: str) -> BuildError:
    with pytest.raises(BuildError) as caught:
        check_interface(source)
    return caught.value


@pytest.mark.parametrize("name", baselines())
def test_every_baseline_has_the_interface(name: str) -> None:
    check_interface(baselines()[name].source)


def test_nothing_of_the_source_is_run() -> None:
    check_interface(network(module="raise SystemExit"))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        pytest.param("def supported_", "def other_", "supported_hyperparameters", id="names"),
        pytest.param("hyperparameters()", "hyperparameters(x)", "without arg", id="argument"),
        pytest.param("class Net", "class Network", "class Net", id="class"),
        pytest.param("def forward", "def backward", "Net.forward(self, x)", id="forward"),
        pytest.param("def train_setup", "def setup", "Net.train_setup", id="train_setup"),
        pytest.param("def learn", "def fit", "Net.learn(self, train_data)", id="learn"),
        pytest.param(
            "(self, x)", "(self)", "found forward(self) at line 20", id="forward of nothing"
        ),
        pytest.param(
            "in_shape, out_shape, prm", "shape, prm", "found __init__(self, shape", id="init"
        ),
        pytest.param(
            "prm, device)", "prm, device, more)", "prm, device, more)", id="sixth argument"
        ),
        pytest.param("(self, train_data)", "(self, a, *, b)", "found learn", id="keyword needed"),
    ],
)
def test_a_missing_part_is_named(old: str, new: str, says: str) -> None:
    assert old in NET
    error = refusal(NET.replace(old, new))
    assert error.code == "interface"
    assert says in str(error)


def test_a_method_may_come_from_another_class_of_the_module() -> None:
    source = NET.replace("class Net(nn.Module)", "class Base(nn.Module)")
    check_interface(source + "\n\nclass Net(Base):\n    pass\n")


def test_classes_that_inherit_in_a_circle_have_no_methods() -> None:
    source = "def supported_hyperparameters(): return set()\nclass Net(B): pass\nclass B(Net): pass"
    assert "__init__" in str(refusal(source))


def test_a_syntax_error_says_where() -> None:
    error = refusal(NET.replace("return self.head(", "return self.head[("))
    assert error.code == "syntax"
    assert "line 23: `return self.head[(x.mean((2, 3)))`" in str(error)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("", id="nothing"),
        pytest.param("x = '\0'", id="NUL byte"),
        pytest.param("x = '\ud800'", id="lone surrogate"),
        pytest.param("(" * 100_000, id="open brackets"),
        pytest.param("x = " + "-" * 100_000 + "1", id="minus signs"),
        pytest.param("x" + ".x" * 100_000, id="attributes"),
        pytest.param("x = 1" + "+1" * 100_000, id="sum"),
        pytest.param("x = " + "lambda: " * 20_000 + "1", id="lambdas"),
        pytest.param("x = " + "1" * 10_000, id="long number"),
        pytest.param("".join(" " * i + "if x:\n" for i in range(200)), id="deep indentation"),
        pytest.param("\ufeff\ufeff", id="byte order marks"),
    ],
)
def test_no_source_raises_anything_else(source: str) -> None:
    refusal(source)


@given(st.text())
def test_any_text_is_refused_with_a_code(source: str) -> None:
    assert refusal(source).code in ("syntax", "interface")


def test_a_doubtful_escape_is_no_syntax_error() -> None:
    check_interface(network(module=r"pattern = '\d'"))


def test_bases_that_double_at_every_step_are_looked_at_once() -> None:
    ladder = "class A0:\n    def forward(self, x):\n        return x\n" + "".join(
        f"class A{number}(A{number - 1}, A{number - 1}):\n    pass\n" for number in range(1, 200)
    )
    check_interface(network(module=ladder))
