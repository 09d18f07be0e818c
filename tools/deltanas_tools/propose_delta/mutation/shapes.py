"""What the syntax tells about the shapes that layers take and give."""

import ast
import math
from collections.abc import Iterable, Iterator, Sequence

from deltanas_tools.propose_delta.mutation.bindings import argument_of, divisor, values_of
from deltanas_tools.propose_delta.mutation.layers import (
    ELEMENTWISE,
    FEATURE_MAP_NORMS,
    INPUT_PARAMETERS,
    NORM_PARAMETERS,
    OUTPUT_PARAMETERS,
    Layer,
    literal_int,
)
from deltanas_tools.propose_delta.mutation.named_numbers import role_of
from deltanas_tools.propose_delta.mutation.network import Network, find_nodes
from deltanas_tools.propose_delta.mutation.placement import Chain

PURE_FUNCTIONS = {"int", "len", "max", "min", "round"}


def text_of(expression: ast.expr | None) -> str:
    """Return the text of an expression that may be written again; else an empty text."""
    if expression is None:
        return ""
    for node in ast.walk(expression):
        if isinstance(node, ast.Await | ast.NamedExpr | ast.Starred | ast.JoinedStr | ast.Lambda):
            return ""
        if isinstance(node, ast.Call) and not (
            isinstance(node.func, ast.Name) and node.func.id in PURE_FUNCTIONS
        ):
            return ""
    return ast.unparse(expression)


def in_text(layer: Layer) -> str:
    """Return the input channels of a layer as code; empty where they are not written out."""
    return _first_text(layer, INPUT_PARAMETERS | NORM_PARAMETERS)


def out_text(layer: Layer) -> str:
    """Return the output channels of a layer as code; empty where they are not written out."""
    return _first_text(layer, OUTPUT_PARAMETERS | NORM_PARAMETERS)


def _first_text(layer: Layer, parameters: Iterable[str]) -> str:
    for parameter in sorted(parameters):
        if text := text_of(layer.arguments.get(parameter)):
            return text
    return ""


def channel_divisor(network: Network, layer: Layer) -> int:
    """Return a number that surely divides the input and the output channels of a layer."""
    counts = [
        divisor(network, argument)
        for parameter, argument in layer.arguments.items()
        if parameter in INPUT_PARAMETERS | OUTPUT_PARAMETERS | NORM_PARAMETERS
    ]
    return math.gcd(*counts) or 1


def stride_is_one(layer: Layer) -> bool:
    """Tell whether a convolution surely has stride 1."""
    return layer.is_complete and ("stride" not in layer.arguments or layer.number("stride") == 1)


def is_same_padded(network: Network, layer: Layer) -> bool:
    """Tell whether a convolution of stride 1 surely keeps height and width."""
    if not layer.is_complete or "padding_mode" in layer.arguments:
        return False
    kernel, padding = layer.arguments.get("kernel_size"), layer.arguments.get("padding")
    if isinstance(padding, ast.Name):
        values = values_of(network, padding)
        padding = values[0] if len(values) == 1 else padding
    dilation = layer.number("dilation") if "dilation" in layer.arguments else 1
    if kernel is None or dilation is None:
        return False
    if isinstance(padding, ast.Constant) and padding.value == "same":
        return True
    size = literal_int(kernel)
    if size is not None:
        pad = literal_int(padding) if padding is not None else 0
        return size % 2 == 1 and pad == dilation * (size - 1) // 2
    # ``kernel // 2`` keeps the size for the odd kernels that people use.
    return (
        dilation == 1
        and isinstance(padding, ast.BinOp)
        and isinstance(padding.op, ast.FloorDiv)
        and literal_int(padding.right) == 2
        and ast.dump(padding.left) == ast.dump(kernel)
    )


def is_depthwise(layer: Layer) -> bool:
    """Tell whether a convolution has groups."""
    return "groups" in layer.arguments and layer.number("groups") != 1


def makes_feature_map(layer: Layer) -> bool:
    """Tell whether the output of a layer surely has the shape ``(B, C, H, W)``."""
    return layer.kind in {"Conv2d", "ConvTranspose2d", "MaxPool2d", "AvgPool2d"} | (
        FEATURE_MAP_NORMS - {"GroupNorm"}
    )


def plain_convs(network: Network) -> Iterator[Layer]:
    """Yield the 2-d convolutions without groups whose three leading arguments are written out."""
    for layer in network.layers_of("Conv2d"):
        is_known = layer.is_complete and all(
            text_of(layer.arguments.get(name))
            for name in ("in_channels", "out_channels", "kernel_size")
        )
        if is_known and not is_depthwise(layer):
            yield layer


def sees_image(network: Network, layer: Layer) -> bool:
    """Tell whether the input channels of a layer of `Net` are those of the image."""
    constructor = network.method(network.net)
    text = in_text(layer)
    if constructor is None or network.owner(layer.call) is not network.net:
        return False
    given = {
        name.id
        for statement in find_nodes(constructor, ast.Assign)
        if "in_shape" in ast.unparse(statement.value)
        for target in statement.targets
        for name in find_nodes(target, ast.Name)
    }
    return "in_shape" in text or text in given


def channels_before(network: Network, chain: Chain) -> str:
    """Return the channels that reach an element of a chain, as code; empty where unknown."""
    for element in reversed(chain.before):
        layer = network.layer(element)
        if layer is None:
            return ""
        if text := out_text(layer):
            return text
        if layer.kind not in ELEMENTWISE | {"MaxPool2d", "AvgPool2d"}:
            return ""
    return ""


def keeps_shape(network: Network, expression: ast.expr) -> bool:
    """Tell whether a module surely gives the shape it takes."""
    ends = _ends(network, expression)
    return ends is not None and ends[0] == ends[1]


def _ends(network: Network, expression: ast.expr) -> tuple[str, str] | None:
    """Return input and output channels as code, '' for any; None unless height and width stay."""
    layer = network.layer(expression)
    if layer is not None:
        return _layer_ends(network, layer)
    definition = network.called_definition(expression)
    if isinstance(definition, ast.ClassDef) and isinstance(expression, ast.Call):
        return _block_ends(network, expression, definition)
    return None


def _layer_ends(network: Network, layer: Layer) -> tuple[str, str] | None:
    if layer.kind in ELEMENTWISE:
        return "", ""
    if layer.kind == "Sequential" and not layer.call.keywords:
        return _chain_ends(network, layer.call.args)
    if layer.kind == "Linear" or (
        layer.kind == "Conv2d" and stride_is_one(layer) and is_same_padded(network, layer)
    ):
        ends = in_text(layer), out_text(layer)
        return ends if all(ends) else None
    return None


def _chain_ends(network: Network, elements: Sequence[ast.expr]) -> tuple[str, str] | None:
    first = last = ""
    for element in elements:
        ends = _ends(network, element)
        if ends is None:
            return None
        first, last = first or ends[0], ends[1] or last
    return (first, last) if elements else None


def _block_ends(
    network: Network, call: ast.Call, definition: ast.ClassDef
) -> tuple[str, str] | None:
    """Judge a call of a class of this source by its parameters' names and its forward."""
    counts = {
        parameter: argument_of(network, call, definition, parameter)
        for parameter in network.parameters(definition)
        if role_of(parameter) == "channels"
    }
    for parameter in network.parameters(definition):
        if role_of(parameter) == "stride":
            stride = argument_of(network, call, definition, parameter)
            if literal_int(stride) != 1:
                return None
    if adds_its_input(network, definition) or _is_shape_keeping_chain(network, definition):
        return "", ""
    inputs = [name for name in counts if "in" in name.replace("planes", "_planes").split("_")]
    others = [name for name in counts if name not in inputs]
    if len(inputs) == 1 and len(others) == 1 and _is_plain_block(network, definition):
        ends = text_of(counts[inputs[0]]), text_of(counts[others[0]])
        return ends if all(ends) else None
    return None


def takes_any_size(network: Network) -> bool:
    """Tell whether the head sees one value a channel, and no position has its own parameter."""
    if any("pos" in name for name in network.read_attributes):
        return False
    for call in network.calls:
        layer = network.layer(call)
        if layer is not None and layer.kind.startswith("Adaptive"):
            return True
        if network.function(call).startswith("adaptive_"):
            return True
        if isinstance(call.func, ast.Attribute) and call.func.attr == "mean":
            return True
    return False


def adds_its_input(network: Network, definition: ast.ClassDef) -> bool:
    """Tell whether every value that the forward of a class returns is a sum with its input."""
    forward = network.method(definition, "forward")
    if forward is None or len(forward.args.args) != 2:
        return False
    name = forward.args.args[1].arg
    returned = [node.value for node in find_nodes(forward, ast.Return) if node.value]
    return bool(returned) and all(
        isinstance(value, ast.BinOp)
        and isinstance(value.op, ast.Add)
        and isinstance(value.left, ast.Name)
        and value.left.id == name
        for value in returned
    )


def _is_shape_keeping_chain(network: Network, definition: ast.ClassDef) -> bool:
    """Tell whether a class is a Sequential whose own layers begin and end with equal channels."""
    constructor = network.method(definition)
    if constructor is None or not any(network.kind(b) == "Sequential" for b in definition.bases):
        return False
    for call in find_nodes(constructor, ast.Call):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "__init__":
            ends = _chain_ends(network, call.args)
            return ends is not None and ends[0] == ends[1]
    return False


def _is_plain_block(network: Network, definition: ast.ClassDef) -> bool:
    """Tell whether a class joins no channels and pools nothing, so that its names hold."""
    for node in find_nodes(definition, ast.Call):
        layer = network.layer(node)
        if network.function(node) in ("cat", "concat", "max_pool2d", "avg_pool2d"):
            return False
        if layer is not None and (
            layer.kind in ("MaxPool2d", "AvgPool2d", "Linear", "ConvTranspose2d")
            or (
                layer.kind == "Conv2d"
                and not is_same_padded(network, layer)
                and layer.number("kernel_size") != 1
            )
        ):
            return False
    return "expansion" not in {node.attr for node in find_nodes(definition, ast.Attribute)}
