"""The layers of torch.nn that the operators know: parameter names, and what keeps a shape."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

CONV = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "dilation",
    "groups",
    "bias",
    "padding_mode",
)
TRANSPOSED_CONV = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "output_padding",
    "groups",
    "bias",
    "dilation",
)
BATCH_NORM = ("num_features", "eps", "momentum", "affine")
MAX_POOL = ("kernel_size", "stride", "padding", "dilation", "return_indices", "ceil_mode")
AVG_POOL = ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

SIGNATURES: Mapping[str, tuple[str, ...]] = {
    "Conv1d": CONV,
    "Conv2d": CONV,
    "ConvTranspose2d": TRANSPOSED_CONV,
    "Linear": ("in_features", "out_features", "bias"),
    "BatchNorm1d": BATCH_NORM,
    "BatchNorm2d": BATCH_NORM,
    "InstanceNorm2d": BATCH_NORM,
    "GroupNorm": ("num_groups", "num_channels"),
    "LayerNorm": ("normalized_shape",),
    "RMSNorm": ("normalized_shape",),
    "MaxPool2d": MAX_POOL,
    "AvgPool2d": AVG_POOL,
    "AdaptiveAvgPool2d": ("output_size",),
    "AdaptiveMaxPool2d": ("output_size",),
    "Dropout": ("p", "inplace"),
    "Dropout2d": ("p", "inplace"),
    "MultiheadAttention": ("embed_dim", "num_heads", "dropout"),
    "TransformerEncoderLayer": ("d_model", "nhead", "dim_feedforward", "dropout"),
    "Embedding": ("num_embeddings", "embedding_dim"),
    "LSTM": ("input_size", "hidden_size", "num_layers"),
    "GRU": ("input_size", "hidden_size", "num_layers"),
}

INPUT_PARAMETERS = {"in_channels", "in_features", "input_size"}
OUTPUT_PARAMETERS = {"out_channels", "out_features", "hidden_size", "embedding_dim"}
NORM_PARAMETERS = {"num_features", "num_channels", "normalized_shape", "embed_dim", "d_model"}
CHANNEL_PARAMETERS = INPUT_PARAMETERS | OUTPUT_PARAMETERS | NORM_PARAMETERS

ACTIVATIONS = {
    "CELU",
    "ELU",
    "GELU",
    "Hardswish",
    "LeakyReLU",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SELU",
    "SiLU",
    "Softplus",
    "Tanh",
}
NORMS = {"BatchNorm1d", "BatchNorm2d", "GroupNorm", "InstanceNorm2d", "LayerNorm", "RMSNorm"}
FEATURE_MAP_NORMS = {"BatchNorm2d", "GroupNorm", "InstanceNorm2d"}
DROPOUTS = {"Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout"}
ELEMENTWISE = ACTIVATIONS | NORMS | DROPOUTS | {"Identity", "Sigmoid", "Hardsigmoid"}
"""Layers whose output has the shape of their input."""


@dataclass(frozen=True)
class Layer:
    """A call that makes a layer, with its arguments by parameter name."""

    call: ast.Call
    kind: str
    """Name of the class in torch.nn."""
    arguments: Mapping[str, ast.expr]
    is_complete: bool
    """False where ``*args`` or ``**kwargs`` hide arguments."""

    def number(self, parameter: str) -> int | None:
        """Return an argument that is an integer literal, or a tuple that repeats one."""
        return literal_int(self.arguments.get(parameter))


def literal_int(expression: ast.expr | None) -> int | None:
    """Return the value of an integer literal such as ``3`` or ``(3, 3)``; None for all else."""
    if isinstance(expression, ast.Tuple):
        values = {literal_int(element) for element in expression.elts}
        return values.pop() if len(values) == 1 else None
    if isinstance(expression, ast.Constant) and type(expression.value) is int:
        return expression.value
    return None


def bind_arguments(call: ast.Call, parameters: tuple[str, ...]) -> tuple[dict[str, ast.expr], bool]:
    """Match the arguments of ``call`` with ``parameters``, as far as the syntax shows them.

    Returns:
        The arguments by parameter name, and whether these are all.
    """
    bound: dict[str, ast.expr] = {}
    is_complete = len(call.args) <= len(parameters)
    for parameter, argument in zip(parameters, call.args, strict=False):
        if isinstance(argument, ast.Starred):
            is_complete = False
            break
        bound[parameter] = argument
    for keyword in call.keywords:
        if keyword.arg is None:
            is_complete = False
        else:
            bound[keyword.arg] = keyword.value
    return bound, is_complete
