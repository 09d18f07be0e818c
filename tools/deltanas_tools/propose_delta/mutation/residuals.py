"""Operators on residual connections: add them, scale their branches, drop them at random."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from deltanas_tools.propose_delta.mutation.block_code import DROP_PATH, RESIDUAL
from deltanas_tools.propose_delta.mutation.blocks import bring
from deltanas_tools.propose_delta.mutation.layers import ELEMENTWISE
from deltanas_tools.propose_delta.mutation.network import Network, find_nodes, self_attribute
from deltanas_tools.propose_delta.mutation.placement import chain_of, wrap
from deltanas_tools.propose_delta.mutation.shapes import adds_its_input, keeps_shape
from deltanas_tools.propose_delta.mutation.source import Change, Edit

SHORTCUTS = {"identity", "residual", "shortcut", "skip"}
"""Words in the names of the side of a sum that is not the branch."""


def add_residual_around_layer(network: Network) -> Iterator[Edit]:
    """Add the input of a shape-preserving layer to its output."""
    opening, defined = bring(network, RESIDUAL)
    for call in network.calls:
        layer = network.layer(call)
        if layer is not None and layer.kind in ELEMENTWISE:
            continue
        definition = network.called_definition(call)
        if isinstance(definition, ast.ClassDef) and adds_its_input(network, definition):
            continue
        if layer is not None and layer.kind == "Linear" and chain_of(network, call) is None:
            continue
        if not keeps_shape(network, call):
            continue
        for scale in ("", "0.1"):
            if changes := wrap(network, call, opening, *([scale] if scale else [])):
                what = ast.unparse(call.func).rpartition(".")[2]
                summary = f"Add a residual connection around {what} {network.place(call)}"
                yield Edit(summary, (*defined, *changes))


def add_residual_in_forward(network: Network) -> Iterator[Edit]:
    """Add a variable to what shape-preserving calls in forward make of it."""
    for statement in network.nodes:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call() as value):
                pass
            case _:
                continue
        owner = network.owner(statement)
        if owner is None or not _keeps_shape_of(network, owner, value, name):
            continue
        start = network.source.start(value)
        yield Edit(
            f"Add a residual connection {network.place(statement)}.forward",
            (network.source.change(start, start, f"{name} + "),),
        )


def _keeps_shape_of(network: Network, owner: ast.ClassDef, value: ast.expr, name: str) -> bool:
    """Tell whether ``value`` is a call chain on ``name`` that keeps its shape, and no mere copy."""
    has_weights = False
    while isinstance(value, ast.Call) and len(value.args) == 1:
        attribute = self_attribute(value.func)
        made = [
            node.value
            for node in find_nodes(owner, ast.Assign)
            if any(self_attribute(target) == attribute for target in node.targets)
        ]
        if attribute and len(made) == 1 and keeps_shape(network, made[0]):
            has_weights = has_weights or network.kind(made[0]) not in ELEMENTWISE
        elif network.function(value) not in ("relu", "gelu", "silu", "leaky_relu", "elu"):
            return False
        value = value.args[0]
    return has_weights and isinstance(value, ast.Name) and value.id == name


@dataclass(frozen=True)
class _Sum:
    """A sum of a shortcut and a branch in the forward of a module."""

    owner: ast.ClassDef
    branch: ast.expr
    statement: ast.AugAssign | None = None
    """The statement ``branch += shortcut``, where the sum is one."""


def _sums(network: Network) -> Iterator[_Sum]:
    for node in network.nodes:
        match node:
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                pass
            case ast.AugAssign(op=ast.Add(), target=left, value=right):
                pass
            case _:
                continue
        function, owner = network.source.enclosing(node, ast.FunctionDef), network.owner(node)
        if function is None or owner is None or function.name != "forward":
            continue
        if not (_is_tensor(network, left, function) and _is_tensor(network, right, function)):
            continue
        if not _is_shortcut(right, function):
            yield _Sum(owner, right)
        elif not _is_shortcut(left, function):
            yield _Sum(owner, left, node if isinstance(node, ast.AugAssign) else None)


def _with_branch(network: Network, found: _Sum, opening: str, closing: str = "") -> Change:
    """Return the change that writes something around the branch of a sum."""
    source = network.source
    branch = opening + source.segment(found.branch) + closing
    if found.statement is None:
        return source.replace(found.branch, branch)
    name, shortcut = source.segment(found.branch), source.segment(found.statement.value)
    return source.replace(found.statement, f"{name} = {branch} + {shortcut}")


def _is_tensor(network: Network, side: ast.expr, function: ast.FunctionDef) -> bool:
    """Tell whether a side of a sum is the output of a layer, or a variable that holds one."""
    if isinstance(side, ast.Call):
        return (
            bool(self_attribute(side.func))
            or bool(network.function(side))
            or (
                isinstance(side.func, ast.Attribute)
                and _is_tensor(network, side.func.value, function)
            )
        )
    if not isinstance(side, ast.Name):
        return False
    parameters = {argument.arg for argument in function.args.args}
    assigned = [
        node.value
        for node in find_nodes(function, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id == side.id
    ]
    return side.id in parameters or any(
        isinstance(value, ast.Call) and self_attribute(value.func) for value in assigned
    )


def _is_shortcut(side: ast.expr, function: ast.FunctionDef) -> bool:
    name = ""
    if isinstance(side, ast.Call):
        name = self_attribute(side.func)
    elif isinstance(side, ast.Name):
        name = side.id
        if name in {argument.arg for argument in function.args.args[1:]}:
            return True
    return bool(SHORTCUTS & set(name.split("_")))


def scale_branch(network: Network) -> Iterator[Edit]:
    """Multiply a branch by a learned scale before it is added.

    Source: Bachlechner et al., "ReZero is All You Need: Fast Convergence at Large Depth" (2021);
    with a start that is not zero.
    """
    for found in _sums(network):
        name = _free_attribute(found.owner, "branch_scale")
        for start in ("1.0", "0.5", "0.1"):
            created = _add_attribute(
                network, found.owner, name, f"{network.nn}.Parameter(torch.tensor({start}))"
            )
            if created is None or network.spelling("torch") != "torch":
                continue
            scaled = _with_branch(network, found, f"self.{name} * ")
            summary = f"Scale the residual branch in {found.owner.name} by a learned factor"
            yield Edit(summary, (created, scaled))


def drop_branch(network: Network) -> Iterator[Edit]:
    """Drop a residual branch for random samples while training.

    Source: Huang et al., "Deep Networks with Stochastic Depth" (2016).
    """
    opening, defined = bring(network, DROP_PATH)
    for found in _sums(network):
        name = _free_attribute(found.owner, "drop_path")
        for probability in ("0.05", "0.1", "0.2"):
            created = _add_attribute(network, found.owner, name, f"{opening}({probability})")
            if created is None:
                continue
            dropped = _with_branch(network, found, f"self.{name}(", ")")
            summary = (
                f"Drop the residual branch in {found.owner.name} with probability {probability}"
            )
            yield Edit(summary, (*defined, created, dropped))


def _free_attribute(owner: ast.ClassDef, wanted: str) -> str:
    taken = {node.attr for node in find_nodes(owner, ast.Attribute)}
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}{number}"
    return name


def _add_attribute(network: Network, owner: ast.ClassDef, name: str, value: str) -> Change | None:
    """Return the change that sets an attribute behind `super().__init__()`; None without that."""
    constructor = network.method(owner)
    if constructor is None or any(network.kind(base) == "Sequential" for base in owner.bases):
        return None
    source = network.source
    for statement in constructor.body:
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="__init__")) as call):
                pass
            case _:
                continue
        start, end = source.start(call), source.end(statement)
        if source.starts_line(start) and source.ends_line(end):
            line_end = source.line_end(end)
            text = f"\n{source.indentation(start)}self.{name} = {value}"
            return source.change(line_end, line_end, text)
    return None
