"""Dead code: what no network can notice makes none new, and what it might notice does."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_repo_store.baselines import baselines
from deltanas_tools.novelty_check.dead_code import without_dead_code
from deltanas_tools.novelty_check.twins import digest

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3)

    def forward(self, x):
        y = self.conv(x)
        return torch.relu(y)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("import torch\n", "import math, os.path\nimport torch\n", id="an import"),
        pytest.param(
            "class Net", "from typing import Any\n\n\nclass Net", id="an import of a name"
        ),
        pytest.param("        y =", "        pass\n        y =", id="a pass"),
        pytest.param("        y =", "        3\n        ...\n        y =", id="bare constants"),
        pytest.param("        y =", "        k = 3\n        y =", id="a constant"),
        pytest.param("        y =", "        a = x\n        b = a\n        y =", id="a chain"),
        pytest.param("relu(y)", "relu(y)\n        return y", id="a second return"),
        pytest.param("relu(y)", "relu(y)\n        y = 2 * y", id="work after the return"),
        pytest.param(
            "        y =", "        if False:\n            x = 2 * x\n        y =", id="if False"
        ),
        pytest.param(
            "        y = self.conv(x)",
            "        if True:\n            y = self.conv(x)\n        else:\n            y = x",
            id="if True",
        ),
        pytest.param("class Net", "def helper(a):\n    return a\n\n\nclass Net", id="a function"),
        pytest.param("class Net", "class Old(nn.Module):\n    pass\n\n\nclass Net", id="a class"),
        pytest.param("class Net", "SIZE = (1, 2)\n\n\nclass Net", id="a module constant"),
        pytest.param(
            "import torch\n",
            "import torch\nfrom typing import Any\n\nUNUSED: Any = 1\n",
            id="what only annotations use",
        ),
    ],
)
def test_dead_code_does_not_make_a_network_new(old: str, new: str) -> None:
    changed = NET.replace(old, new, 1)
    assert changed != NET
    assert digest(changed) == digest(NET)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("        y =", "        torch.manual_seed(1)\n        y =", id="a call"),
        pytest.param("        y =", "        k = torch.rand(1)\n        y =", id="a random number"),
        pytest.param("        y =", "        self.k = 3\n        y =", id="an attribute"),
        pytest.param("(y)\n", "(y)\n        yield y\n", id="a generator"),
        pytest.param("import torch\n", "import torch\nfrom math import *\n", id="a star"),
        pytest.param(
            "        y =", "        if x.sum() > 0:\n            x = 2 * x\n        y =", id="an if"
        ),
        pytest.param("class Net", "torch.manual_seed(1)\n\n\nclass Net", id="a call at the top"),
        pytest.param(
            "class Net",
            "@torch.jit.script\ndef f(a):\n    return a\n\n\nclass Net",
            id="a decorator",
        ),
    ],
)
def test_what_may_have_an_effect_does(old: str, new: str) -> None:
    assert digest(NET.replace(old, new, 1)) != digest(NET)


def test_a_name_that_code_looks_up_by_its_text_is_in_use() -> None:
    by_text = NET.replace("        y =", "        z = eval('k')\n        y =")
    assert digest(by_text.replace("        z", "        k = 3\n        z")) != digest(by_text)


def test_an_assignment_after_the_return_that_makes_a_name_local_stays() -> None:
    read = "k = 1\n\n\ndef f():\n    return k\n\n\nf()\n"
    assert digest(read.replace("return k\n", "return k\n    k = 2\n")) != digest(read)


def test_the_fields_of_a_data_class_keep_their_order() -> None:
    one = "@dataclass\nclass Size:\n    height: int\n    width: int\n"
    other = "@dataclass\nclass Size:\n    width: int\n    height: int\n"
    assert digest(one) != digest(other)


@pytest.mark.parametrize("name", list(baselines()))
def test_what_is_left_has_no_dead_code(name: str) -> None:
    tree = without_dead_code(ast.parse(baselines()[name].source))
    once = ast.dump(tree)
    assert ast.dump(without_dead_code(tree)) == once


DEAD = ("pass", "3", "unused_k = 3", "unused_a = x", "import math", "if 0:\n            x = 1")


@given(places=st.lists(st.tuples(st.booleans(), st.sampled_from(DEAD)), max_size=6))
def test_dead_code_anywhere_changes_no_digest(places: list[tuple[bool, str]]) -> None:
    lines = NET.splitlines()
    for after, statement in places:
        at = lines.index("        y = self.conv(x)") + after
        lines.insert(at, f"        {statement}")
    assert digest("\n".join(lines)) == digest(NET)


def test_a_renamed_network_with_dead_code_is_still_a_twin() -> None:
    renamed = NET.replace("y", "branch").replace("width", "channels").replace("tbranch", "ty")
    assert digest(renamed.replace("        branch =", "        n = 1\n        branch =")) == digest(
        renamed
    )
