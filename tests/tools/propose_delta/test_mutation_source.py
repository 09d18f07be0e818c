import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltanas_tools.propose_delta.mutation.bindings import divisor
from deltanas_tools.propose_delta.mutation.network import Network, find_nodes
from deltanas_tools.propose_delta.mutation.source import Change, Source, apply_changes


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = 'größe', f(1)\n", id="letters of two bytes before the node"),
        pytest.param("x = '網', '😀', f(1)\n", id="letters of three and four bytes"),
        pytest.param("# Größe\r\nx = f(1)\r\n", id="Windows line ends"),
        pytest.param("x = 1\rf(1)\r", id="old Macintosh line ends"),
        pytest.param("x = '\x0c\u2028'; f(1)\n", id="what only str.splitlines takes for line ends"),
        pytest.param("x = 1\n\n\tf(1)".replace("\t", ""), id="no final line end"),
    ],
)
def test_a_node_knows_its_place_in_the_text(text: str) -> None:
    source = Source(text)
    call = next(find_nodes(source.tree, ast.Call))

    assert source.segment(call) == "f(1)"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="'\\\r\n\0")))
def test_any_text_before_a_node_is_counted_in_characters(text: str) -> None:
    source = Source(f"x = '{text}', f(1)")

    assert source.segment(next(find_nodes(source.tree, ast.Call))) == "f(1)"


def test_changes_refer_to_the_text_before_any_of_them() -> None:
    changes = [Change(4, 5, "twelve"), Change(0, 1, "one"), Change(2, 2, "+ ")]

    assert apply_changes("1 2 3", changes) == "one + 2 twelve"


def test_changes_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="overlap"):
        apply_changes("abc", [Change(0, 2, ""), Change(1, 3, "")])


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("c = 24", 24, id="a number"),
        pytest.param("w = 8\n        c = 3 * w", 24, id="a product"),
        pytest.param("w = 32\n        c = w // 4", 8, id="a quotient that comes out even"),
        pytest.param("w = 30\n        c = w // 4", 1, id="a quotient that does not"),
        pytest.param("c = 8 + 12", 4, id="a sum"),
        pytest.param("c = in_shape[1]", 1, id="what the image decides"),
        pytest.param("for c in (16, 24, 40): pass", 8, id="a loop over numbers"),
        pytest.param("ws = (16, 24)\n        for c in ws: pass", 8, id="a loop over a name"),
        pytest.param(
            "ws = (16, 24)\n        for i, (c, n) in enumerate(zip(ws, (1, 2))): pass",
            8,
            id="a loop over several",
        ),
        pytest.param("c = 16\n        c = c * 2", 16, id="a running product"),
        pytest.param("c = 16\n        c = c // 2", 1, id="a running quotient"),
        pytest.param("c = 16\n        c += 12", 4, id="a running sum"),
        pytest.param("ws = (16, 24)\n        c = ws[0]", 8, id="an element"),
        pytest.param("c = 16 if prm else 40", 8, id="a choice"),
        pytest.param("c = int(prm['x'])", 1, id="a call"),
    ],
)
def test_the_divisor_of_a_channel_count_is_read_from_what_it_is_bound_to(
    body: str, expected: int
) -> None:
    network = Network(
        "from torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, in_shape, out_shape, prm, device):\n"
        f"        {body}\n"
        "        self.conv = nn.Conv2d(1, c, 3)\n"
        "    def forward(self, x):\n"
        "        return self.conv(x)\n"
    )
    layer = next(network.layers_of("Conv2d"))

    assert divisor(network, layer.arguments["out_channels"]) == expected


def test_the_divisor_of_a_parameter_is_that_of_all_that_is_passed() -> None:
    network = Network(
        "from torch import nn\n"
        "class Block(nn.Module):\n"
        "    def __init__(self, channels, factor=2):\n"
        "        self.conv = nn.Conv2d(channels, channels * factor, 3)\n"
        "    def forward(self, x):\n"
        "        return self.conv(x)\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, in_shape, out_shape, prm, device):\n"
        "        self.blocks = nn.Sequential(Block(16), Block(channels=24))\n"
        "    def forward(self, x):\n"
        "        return self.blocks(x)\n"
    )
    layer = next(network.layers_of("Conv2d"))

    assert divisor(network, layer.arguments["in_channels"]) == 8
    assert divisor(network, layer.arguments["out_channels"]) == 16
