import ast
import random
import re

import pytest

from deltanas_tools.propose_delta.mutation import OPERATORS, Operator
from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.source import Edit, apply_changes
from tests.tools.propose_delta.mutation_sources import MAKE_LAYER, SOURCES

BY_NAME = {operator.name: operator for operator in OPERATORS}
NETWORKS = {name: Network(source) for name, source in SOURCES.items()}

WRITES = {
    "width": r"\d",
    "all-widths": r"\d",
    "literal-width": r"\d",
    "hidden-width": r"\d",
    "expansion": r"\d",
    "depth": r"\d",
    "groups": r"\d",
    "kernel": r"\d",
    "dilation": r"dilation=\d",
    "stride": r"[123]",
    "separable-conv": r"groups=",
    "factorised-conv": r"\(\d, 1\)",
    "bottleneck-conv": r" // [24], 1\)",
    "grouped-conv": r"groups=[248]",
    "parallel-branch": r"ParallelSum\(",
    "standardised-conv": r"StandardisedConv2d",
    "coordinate-conv": r"CoordinateConv2d\(",
    "ghost-conv": r"GhostConv2d\(",
    "activation": r"(?i)relu|gelu|silu|elu|hardswish|mish",
    "gate": r"Hardsigmoid\(\)|hardsigmoid\(",
    "added-activation": r"nn\.(ReLU|GELU|SiLU)\(\)",
    "norm": r"GroupNorm|BatchNorm2d|RMSNorm|LayerNorm",
    "added-norm": r"GroupNorm|BatchNorm2d",
    "norm-order": r"Norm|nn\.\w+\(",
    "pre-activation": r"BatchNorm2d\(",
    "pool": r"(?i)max_?pool|avg_?pool|amax",
    "mean-max-pool": r"MeanMaxPool2d",
    "generalised-mean-pool": r"GeneralisedMeanPool2d",
    "pool-for-stride": r"Pool2d\(2, ceil_mode=True\)",
    "stride-for-pool": r"Conv2d\(.*2, stride=2",
    "overlapping-pool": r", stride=2, padding=1",
    "squeeze-excite": r"SqueezeExcite\(",
    "channel-attention": r"ChannelAttention\(",
    "global-context": r"GlobalContext\(",
    "efficient-channel-attention": r"EfficientChannelAttention\(",
    "spatial-attention": r"SpatialAttention\(",
    "energy-attention": r"EnergyAttention\(",
    "residual-layer": r"ScaledResidual\(",
    "residual-forward": r"[xy] \+ ",
    "branch-scale": r"self\.branch_scale \* ",
    "stochastic-depth": r"self\.drop_path\d?\(",
    "repeated-layer": r"\(",
    "removed-layer": r"",
    "added-conv": r"Conv2d\(",
    "dropout": r"0\.\d",
    "added-dropout": r"Dropout(2d)?\(0\.\d+\)",
    "hidden-head": r"nn\.Linear\(",
    "head-norm": r"(Layer|RMS)Norm\(",
    "head-dropout": r"nn\.Dropout\(0\.\d\)",
}
"""A pattern for what each operator writes; nothing for one that only takes away."""


def some_edits(operator: Operator, network: Network, limit: int = 4) -> list[Edit]:
    edits = list(operator.edits(network))
    return random.Random(0).sample(edits, min(limit, len(edits)))


def only(name: str, source: str) -> list[str]:
    """The sources that an operator can make of ``source``."""
    edits = BY_NAME[name].edits(Network(source))
    return [apply_changes(source, edit.changes) for edit in edits]


def net(layers: str, forward: str = "return self.layers(x)", before: str = "") -> str:
    """A network with an attribute ``layers`` and helper classes before it."""
    return (
        "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n\n\n"
        f"{before}class Net(nn.Module):\n"
        "    def __init__(self, in_shape, out_shape, prm, device):\n"
        "        super().__init__()\n"
        f"        self.layers = {layers}\n\n"
        "    def forward(self, x):\n"
        f"        {forward}\n"
    )


def test_the_table_of_this_test_and_the_operators_have_the_same_names() -> None:
    assert list(WRITES) == list(BY_NAME)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_an_operator_is_documented_and_has_a_site_in_some_network(operator: Operator) -> None:
    assert operator.edits.__doc__
    assert any(list(operator.edits(network)) for network in NETWORKS.values())


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_an_operator_writes_what_it_is_named_for_and_changes_the_syntax_tree(
    operator: Operator,
) -> None:
    for network in NETWORKS.values():
        for edit in some_edits(operator, network):
            mutated = apply_changes(network.source.text, edit.changes)
            written = "\n".join(change.text for change in edit.changes)
            assert re.search(WRITES[operator.name], written), edit
            assert ast.dump(ast.parse(mutated)) != ast.dump(network.source.tree), edit


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_a_summary_is_one_sentence_without_a_full_stop(operator: Operator) -> None:
    for network in NETWORKS.values():
        for edit in some_edits(operator, network):
            assert re.fullmatch(r"[A-Z][^\n]{8,118}[^\n.]", edit.summary)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_no_edit_reaches_what_the_forward_pass_never_uses(operator: Operator) -> None:
    start, end = MAKE_LAYER.index("class Unused"), MAKE_LAYER.index("class Net")
    unread = MAKE_LAYER.index("self.unread")

    for edit in operator.edits(NETWORKS["make_layer"]):
        for change in edit.changes:
            assert not start <= change.start < end
            assert not unread <= change.start < MAKE_LAYER.index("\n", unread)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.name)
def test_no_new_line_is_much_longer_than_a_person_would_write(operator: Operator) -> None:
    for network in NETWORKS.values():
        before = set(network.source.text.splitlines())
        for edit in some_edits(operator, network):
            mutated = apply_changes(network.source.text, edit.changes)
            new_lines = set(mutated.splitlines()) - before
            assert max(map(len, new_lines), default=0) <= 120, edit


def test_a_literal_width_changes_wherever_it_counts_channels() -> None:
    mutated = next(
        text for text in only("literal-width", SOURCES["literal widths"]) if "24" in text
    )

    assert mutated.count("24") == SOURCES["literal widths"].count("16")


def test_a_flattened_size_changes_with_its_width() -> None:
    source = SOURCES["literal widths"]

    mutated = next(text for text in only("literal-width", source) if "48 * 4 * 4, 64" in text)

    assert "x.view(-1, 48 * 4 * 4)" in mutated


def test_a_named_width_stays_a_multiple_of_the_groups() -> None:
    mutated = "\n".join(only("width", SOURCES["shuffle-net"]))
    widths = [int(width) for width in re.findall(r"stem_width = (\d+)", mutated)]

    assert len(set(widths)) > 2
    assert all(width % 4 == 0 for width in widths)


def test_a_kernel_and_its_padding_change_together() -> None:
    mutated = "\n".join(only("kernel", net("nn.Sequential(nn.Conv2d(8, 8, 3, padding=1))")))

    assert re.findall(r"8, 8, (\d), padding=(\d)", mutated) == [("5", "2"), ("7", "3")]


def test_a_kernel_that_shrinks_the_image_stays() -> None:
    assert only("kernel", net("nn.Conv2d(8, 8, 3)")) == []


def test_groups_divide_both_channel_counts() -> None:
    mutated = only("grouped-conv", net("nn.Conv2d(16, 24, 3)"))

    assert [re.findall(r"groups=(\d)", text) for text in mutated] == [["2"], ["4"]]


def test_group_norm_gets_a_number_of_groups_that_divides_the_channels() -> None:
    mutated = only("norm", net("nn.Sequential(nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12))"))

    assert "nn.GroupNorm(4, 12)" in mutated[0]


def test_a_layer_whose_weight_is_looked_at_is_not_wrapped() -> None:
    source = net("nn.Conv2d(8, 8, 3)", "return F.relu(self.layers(x)) * self.layers.weight.mean()")

    assert only("squeeze-excite", source) == []


def test_a_layer_in_a_one_line_chain_breaks_the_line_when_it_gets_too_long() -> None:
    source = net("nn.Sequential(nn.Conv2d(128, 128, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.25))")

    mutated = only("squeeze-excite", source)[0]

    assert (
        "nn.Sequential(\n"
        "            nn.Conv2d(128, 128, 3, padding=1),\n"
        "            SqueezeExcite(128),\n"
        "            nn.ReLU(),\n"
    ) in mutated


def test_a_brought_class_stands_before_net_and_below_the_helper_classes() -> None:
    helper = "class Helper(nn.Module):\n    pass\n\n\n# What is trained.\n"
    source = net("nn.Conv2d(8, 8, 3)", before=helper)

    mutated = only("squeeze-excite", source)[0]

    assert re.findall(r"^class (\w+)|^# (What)", mutated, re.M) == [
        ("Helper", ""),
        ("SqueezeExcite", ""),
        ("", "What"),
        ("Net", ""),
    ]


def test_a_class_that_is_there_already_is_used_and_not_brought_again() -> None:
    once = only("squeeze-excite", net("nn.Sequential(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 9, 3))"))[0]

    twice = only("squeeze-excite", once)[-1]

    assert twice.count("class SqueezeExcite") == 1
    assert twice.count("            SqueezeExcite(") == 2


def test_a_name_that_means_something_else_is_not_reused() -> None:
    helper = "class SqueezeExcite(nn.Module):\n    pass\n\n\n"

    mutated = only("squeeze-excite", net("nn.Conv2d(8, 8, 3)", before=helper))[0]

    assert "class SqueezeExcite2(nn.Module):" in mutated
    assert "nn.Sequential(nn.Conv2d(8, 8, 3), SqueezeExcite2(8))" in mutated


def test_a_source_that_spells_torch_nn_differently_gets_its_own_spelling() -> None:
    source = (
        net("nn.Conv2d(8, 8, 3)").replace("nn.", "tnn.").replace("import nn", "import nn as tnn")
    )
    source = source.replace("import torch.tnn.functional as F", "").replace("import torch\n", "")

    mutated = only("spatial-attention", source)[0]

    assert "class SpatialAttention(tnn.Module):" in mutated
    assert mutated.startswith("import torch\n")


def test_a_residual_connection_needs_equal_channels() -> None:
    assert only("residual-layer", net("nn.Conv2d(8, 16, 3, padding=1)")) == []
    assert len(only("residual-layer", net("nn.Conv2d(8, 8, 3, padding=1)"))) == 2


def test_a_class_that_is_tested_for_is_not_taken_for_an_activation() -> None:
    source = net("nn.ReLU()", "return x if isinstance(self.layers, nn.ReLU) else self.layers(x)")

    assert all("isinstance(self.layers, nn.ReLU)" in text for text in only("activation", source))
