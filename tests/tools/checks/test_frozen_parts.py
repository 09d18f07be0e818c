"""frozen_parts_changed: whether an edit kept away from how a network learns."""

import ast
from textwrap import indent

import pytest

from deltanas_repo_store.baselines import baselines
from deltanas_tools.checks.frozen_parts import frozen_parts_changed
from tests.networks_for_tests import network

HYPERPARAMETERS = "supported_hyperparameters"
SETUP = "Net.train_setup"
LEARN = "Net.learn"

NET = network()
BASE = """\
class Base:
    def train_setup(self, prm): self.lr = prm["lr"]
    def learn(self, data): return 1

class Other:
    def learn(self, data): return 2

"""
DERIVED = BASE + "class Net(Base):\n    pass\n"


def changed(before: str, after: str) -> tuple[str, ...]:
    return frozen_parts_changed(ast.parse(before), ast.parse(after))


def edited(old: str, new: str) -> tuple[str, ...]:
    assert old in NET
    return changed(NET, NET.replace(old, new))


def in_class(line: str) -> str:
    """The network with a line at the end of the body of its class."""
    return NET + "\n" + indent(line, "    ") + "\n"


@pytest.mark.parametrize("name", baselines())
def test_a_baseline_is_its_own_equal(name: str) -> None:
    assert changed(baselines()[name].source, baselines()[name].source) == ()


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(network(init="self.norm = nn.BatchNorm2d(8)"), id="constructor"),
        pytest.param(network(forward="x = x * 2"), id="forward"),
        pytest.param(network(module="def helper(): pass"), id="module function"),
        pytest.param(network(learn="# a comment"), id="comment"),
        pytest.param(network(learn="'a string'"), id="prose"),
        pytest.param(NET.replace("data):", 'data):\n        """Learn."""'), id="docstring"),
        pytest.param(NET.replace("zero_grad()", "zero_grad(\n            )"), id="formatting"),
        pytest.param(NET.replace('["lr"]', "['lr']"), id="quotes"),
        pytest.param(NET.replace('"lr", "m', 'u"lr", "m'), id="prefix of a string"),
        pytest.param(network(learn="pass"), id="pass"),
        pytest.param(in_class("learn: object"), id="annotation without a value"),
        pytest.param(in_class("lr = 1"), id="another name of the class"),
        pytest.param(NET + "\nNet.forward = print\n", id="another method from outside"),
        pytest.param(NET + "\nclass Trainer:\n    def learn(self): pass\n", id="another class"),
        pytest.param(
            NET.replace("import random", "def supported_hyperparameters(): pass"),
            id="function that is replaced below",
        ),
        pytest.param(network(init="net.learn(2)", module="__all__ = ['learn']"), id="mention"),
        pytest.param(
            network(module="def learn(): pass\ndef train_setup(): pass"), id="functions of the name"
        ),
        pytest.param(
            network(module="class Net:\n    def learn(self): pass"), id="class that Net replaces"
        ),
    ],
)
def test_an_edit_elsewhere_changes_no_frozen_part(after: str) -> None:
    assert changed(NET, after) == ()


@pytest.mark.parametrize(
    ("after", "part"),
    [
        pytest.param(network(setup="self.momentum = 0"), SETUP, id="line of train_setup"),
        pytest.param(network(learn="    break"), LEARN, id="line of learn"),
        pytest.param(NET.replace('"lr", ', ""), HYPERPARAMETERS, id="hyper-parameters"),
        pytest.param(NET.replace("def learn", "def fit"), LEARN, id="removed method"),
        pytest.param(NET.replace("def supp", "def un"), HYPERPARAMETERS, id="removed function"),
        pytest.param(NET.replace("    def learn", "    @f\n    def learn"), LEARN, id="decorator"),
        pytest.param(NET.replace("    def learn", "    async def learn"), LEARN, id="async"),
        pytest.param(NET.replace("data):", "data: list):"), LEARN, id="annotation"),
        pytest.param(NET.replace("lr=prm", "lr=1 * prm"), SETUP, id="learning rate"),
        pytest.param(in_class("def learn(self, data): pass"), LEARN, id="second definition"),
        pytest.param(in_class("learn = print"), LEARN, id="assignment in the class"),
        pytest.param(in_class("learn = f(learn)"), LEARN, id="wrapping in the class"),
        pytest.param(in_class("from a import b as learn"), LEARN, id="import in the class"),
        pytest.param(in_class("if True:\n    learn = print"), LEARN, id="under a condition"),
        pytest.param(in_class("for learn in (): pass"), LEARN, id="loop in the class"),
        pytest.param(in_class("del learn"), LEARN, id="del in the class"),
        pytest.param(NET + "\nNet.learn = print\n", LEARN, id="assignment from outside"),
        pytest.param(NET + "\nNet.learn, x = print, 1\n", LEARN, id="one of two assignments"),
        pytest.param(NET + "\nif 1:\n    Net.learn = print\n", LEARN, id="conditional assignment"),
        pytest.param(NET + "\nsetattr(Net, 'learn', print)\n", LEARN, id="setattr"),
        pytest.param(NET + "\ndel Net.train_setup\n", SETUP, id="del from outside"),
        pytest.param(NET + "\ndelattr(Net, 'train_setup')\n", SETUP, id="delattr"),
        pytest.param(network(init="self.learn = print"), LEARN, id="assignment to the instance"),
        pytest.param(network(forward="setattr(self, 'learn', 1)"), LEARN, id="setattr of it"),
        pytest.param(
            NET + "\ndef supported_hyperparameters(): return set()\n",
            HYPERPARAMETERS,
            id="second function",
        ),
        pytest.param(
            NET + "\nsupported_hyperparameters = set\n", HYPERPARAMETERS, id="assigned function"
        ),
        pytest.param(NET + "\ndel supported_hyperparameters\n", HYPERPARAMETERS, id="del"),
    ],
)
def test_a_changed_part_is_named(after: str, part: str) -> None:
    assert changed(NET, after) == (part,)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(NET.replace("class Net", "class Network"), id="no class"),
        pytest.param(NET + "\nclass Net: pass\n", id="second class"),
        pytest.param(NET + "\nNet = print\n", id="assigned class"),
        pytest.param(NET.replace("class Net", "@f\nclass Net"), id="decorated class"),
        pytest.param(NET.replace("(nn.Module)", "(nn.Module, metaclass=M)"), id="metaclass"),
    ],
)
def test_what_changes_the_whole_class_changes_both_methods(after: str) -> None:
    assert changed(NET, after) == (SETUP, LEARN)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(
            DERIVED.replace("pass", "def learn(self, data): return 3"), id="an override in Net"
        ),
        pytest.param(DERIVED.replace("return 1", "return 3"), id="another text in the base"),
        pytest.param(DERIVED.replace("Net(Base)", "Net(Other, Base)"), id="another base first"),
        pytest.param(DERIVED + "Base.learn = print\n", id="an assignment to the base"),
        pytest.param(
            DERIVED.replace("class Net", "class Base(Base):\n    learn = 1\nclass Net"),
            id="a base of the same name",
        ),
    ],
)
def test_an_inherited_part_changes_with_what_is_inherited(after: str) -> None:
    assert changed(DERIVED, after) == (LEARN,)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(DERIVED.replace("return 2", "return 3"), id="a class that Net has nothing of"),
        pytest.param(DERIVED.replace("Net(Base)", "Net(Base, Other)"), id="another base behind"),
        pytest.param(DERIVED + "class Base: pass\n", id="a base of the same name below Net"),
        pytest.param(
            DERIVED.replace("pass", "def learn(self, data):\n        return 1"), id="a copy in Net"
        ),
        pytest.param(
            DERIVED.replace("class Net(Base)", "class Middle(Base): pass\nclass Net(Middle)"),
            id="a class between",
        ),
    ],
)
def test_an_inherited_part_stays_while_the_same_is_inherited(after: str) -> None:
    assert changed(DERIVED, after) == ()


def test_what_a_wrapped_part_is_made_from_counts() -> None:
    before = in_class("learn = f(learn)")
    assert changed(before, before.replace("loss.backward()", "pass")) == (LEARN,)


def test_a_rebinding_that_the_parent_has_does_not_count() -> None:
    before = NET + "\nNet.learn = print\n"
    assert changed(before, before.replace("relu", "tanh")) == ()


def test_a_part_that_neither_has_is_not_changed() -> None:
    assert changed("class Net: pass", "@f\nclass Net:\n    x = 1") == ()


def test_a_part_that_only_the_edit_has_is_changed() -> None:
    assert changed("", NET) == (HYPERPARAMETERS, SETUP, LEARN)


def test_what_a_part_calls_is_not_compared() -> None:
    source = NET.replace("loss.backward()", "step(loss)") + "\ndef step(loss): loss.backward()\n"
    assert changed(source, source.replace(": loss.backward()", ": pass")) == ()


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("class Net(B): pass\nclass B(Net): pass", id="circle"),
        pytest.param("class Net(Net): pass", id="itself"),
        pytest.param(
            "class A0: pass\n"
            + "".join(f"class A{i + 1}(A{i}, A{i}): pass\n" for i in range(60))
            + "class Net(A60): pass",
            id="diamonds",
        ),
        pytest.param(
            "class A0: pass\n"
            + "".join(f"class A{i + 1}(A{i}): pass\n" for i in range(2000))
            + "class Net(A2000): pass",
            id="long chain",
        ),
        pytest.param("class Net:\n    def learn(self, d): d" + ".x" * 500, id="deep expression"),
    ],
)
def test_odd_sources_are_compared_like_others(source: str) -> None:
    assert changed(source, source) == ()


def test_the_trees_are_left_as_they_were() -> None:
    tree = ast.parse(network(learn="'prose'"))
    shown = ast.dump(tree)
    frozen_parts_changed(tree, tree)
    assert ast.dump(tree) == shown
