"""Attributes that an edit uses and nothing sets."""

import ast

import pytest

from deltanas_repo_store.baselines import baselines
from deltanas_tools.checks.attributes import unset_attributes

BEFORE = """
class Net(Module):
    scale = 2

    def __init__(self):
        self.conv = Conv()
        self.register_buffer("mean", zeros())

    def forward(self, x):
        return self.conv(self.helper(x)) * self.scale - self.mean

    def helper(self, x):
        return self.from_the_base(x)
"""


def unset(after: str) -> tuple[str, ...]:
    return unset_attributes(ast.parse(BEFORE), ast.parse(after))


def test_a_layer_that_forward_uses_and_nothing_makes_is_found() -> None:
    assert unset(BEFORE.replace("self.conv(self", "self.conv2(self")) == ("conv2",)


def test_a_layer_that_is_no_longer_made_is_found() -> None:
    assert unset(BEFORE.replace("        self.conv = Conv()\n", "")) == ("conv",)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(BEFORE, id="nothing new"),
        pytest.param(BEFORE.replace("x) * self", "x) * self.training * self"), id="a module's own"),
        pytest.param(
            BEFORE.replace("self.conv = ", "self.conv2 = self.conv = ").replace(
                "self.conv(", "self.conv2("
            ),
            id="made in the same edit",
        ),
        pytest.param(
            BEFORE.replace("self.conv = Conv()", 'self.add_module("conv", Conv())'), id="by name"
        ),
        pytest.param(BEFORE.replace("self.helper(x)", "self.from_the_base(x)"), id="inherited"),
    ],
)
def test_what_something_sets_is_let_pass(after: str) -> None:
    assert unset(after) == ()


@pytest.mark.parametrize("name", baselines())
def test_an_architecture_has_none_of_its_own(name: str) -> None:
    tree = ast.parse(baselines()[name].source)
    assert unset_attributes(ast.parse(""), tree) == ()
