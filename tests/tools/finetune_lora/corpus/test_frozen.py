"""A neighbour's edit, without what it did to the frozen functions."""

import ast

import pytest

from deltanas_repo_store.errors import PatchError
from deltanas_tools.checks.frozen_parts import frozen_parts_changed
from deltanas_tools.delta_grammar import DeltaGrammar
from deltanas_tools.finetune_lora.corpus import with_frozen_parts
from tests.networks_for_tests import network

PARENT = network()
WIDER = PARENT.replace("8", "16")


def test_a_child_with_the_same_frozen_functions_stays_as_it_is() -> None:
    assert with_frozen_parts(PARENT, WIDER) == WIDER


@pytest.mark.parametrize(
    "child",
    [
        pytest.param(
            network(learn="torch.manual_seed(1)", setup="self.steps = 0").replace("8", "16"),
            id="longer",
        ),
        pytest.param(
            WIDER.replace("        self.criterion = nn.CrossEntropyLoss()\n", ""), id="shorter"
        ),
        pytest.param(WIDER.replace('{"lr", "momentum"}', '{"lr"}'), id="hyper-parameters"),
        pytest.param(WIDER.replace("loss.backward()", "loss.backward()  # why"), id="a comment"),
    ],
)
def test_other_frozen_functions_become_the_parents(child: str) -> None:
    repaired = with_frozen_parts(PARENT, child)
    assert "\n".join(repaired.split()) == "\n".join(WIDER.split())
    assert frozen_parts_changed(ast.parse(PARENT), ast.parse(repaired)) == ()
    assert DeltaGrammar.of(PARENT).read(DeltaGrammar.of(PARENT).write(repaired)) == repaired


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        pytest.param(
            WIDER.replace("def learn(", "def step("), "other frozen functions", id="one is missing"
        ),
        pytest.param(
            PARENT.replace("    def train_setup", "    def setup").replace(
                "    def learn(self, train_data):", "    def train_setup(self, train_data):"
            ),
            "other frozen functions",
            id="renamed",
        ),
        pytest.param(
            network(learn="self.steps = 1").replace("self.device = device", "self.place = device"),
            "use .device",
            id="they need an attribute that the child lacks",
        ),
        pytest.param(
            WIDER.replace("loss.backward()", "pass") + "\n\nNet.learn = print\n",
            "would differ still",
            id="overridden elsewhere",
        ),
    ],
)
def test_what_cannot_be_taken_apart_is_refused(child: str, reason: str) -> None:
    with pytest.raises(PatchError, match=reason) as caught:
        with_frozen_parts(PARENT, child)
    assert caught.value.code == "frozen-parts"
