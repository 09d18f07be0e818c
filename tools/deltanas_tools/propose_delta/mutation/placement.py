"""Put layers in the place of a layer: as neighbours in its chain, or wrapped in `nn.Sequential`.

A *chain* is a list of expressions whose modules run one after another: the arguments of
`nn.Sequential`, or a list that ends up there.
"""

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from deltanas_tools.propose_delta.mutation.network import Network, find_nodes, self_attribute
from deltanas_tools.propose_delta.mutation.source import MAX_LINE, Change

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")


@dataclass(frozen=True)
class Chain:
    """The place of an element in a chain."""

    holder: ast.Call | ast.List
    elements: tuple[ast.expr, ...]
    index: int

    @property
    def before(self) -> tuple[ast.expr, ...]:
        """The elements that run before this one."""
        return self.elements[: self.index]

    @property
    def after(self) -> tuple[ast.expr, ...]:
        """The elements that run after this one."""
        return self.elements[self.index + 1 :]


def chain_of(network: Network, element: ast.expr) -> Chain | None:
    """Return the chain that ``element`` is a link of, where its positions are free to change."""
    holder = network.source.parents[element]
    if isinstance(holder, ast.Call) and element in holder.args and _is_sequential(network, holder):
        if network.attribute(holder) in network.examined_attributes:
            return None
        return Chain(holder, tuple(holder.args), holder.args.index(element))
    if isinstance(holder, ast.List) and _becomes_sequential(network, holder):
        return Chain(holder, tuple(holder.elts), holder.elts.index(element))
    return None


def _is_sequential(network: Network, call: ast.Call) -> bool:
    """Tell whether ``call`` makes a Sequential, or is the `super().__init__` of a subclass."""
    if network.kind(call) == "Sequential":
        return True
    owner = network.owner(call)
    return (
        owner is not None
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "__init__"
        and any(network.kind(base) == "Sequential" for base in owner.bases)
    )


def _becomes_sequential(network: Network, layers: ast.List) -> bool:
    """Tell whether a list is unpacked into a Sequential and nobody counts its elements."""
    parent = network.source.parents[layers]
    if isinstance(parent, ast.Starred):
        call = network.source.parents[parent]
        return isinstance(call, ast.Call) and _is_sequential(network, call)
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        target: ast.expr = parent.targets[0]
    elif isinstance(parent, ast.AugAssign):
        target = parent.target
    elif isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute):
        if parent.func.attr != "extend":
            return False
        target = parent.func.value
    else:
        return False
    function = network.source.enclosing(layers, ast.FunctionDef)
    if not isinstance(target, ast.Name) or function is None:
        return False
    uses = [
        network.source.parents[node]
        for node in find_nodes(function, ast.Name)
        if node.id == target.id and isinstance(node.ctx, ast.Load)
    ]
    is_unpacked = any(isinstance(use, ast.Starred) for use in uses)
    return is_unpacked and not any(isinstance(use, ast.Subscript) for use in uses)


def can_be_wrapped(network: Network, expression: ast.expr) -> bool:
    """Tell whether another module may stand where this layer is made."""
    parent = network.source.parents[expression]
    match parent:
        case ast.IfExp() if expression is not parent.test:
            return can_be_wrapped(network, parent)
        case ast.Assign() | ast.AnnAssign():
            return _is_unexamined(network, parent)
        case ast.keyword():
            parent = network.source.parents[parent]
            return isinstance(parent, ast.Call) and _takes_modules(network, parent)
        case ast.Call():
            return expression is parent.func or _takes_modules(network, parent)
        case ast.Attribute():
            return parent.attr == "to"
        case ast.Return() | ast.List() | ast.Tuple() | ast.Dict():
            return True
        case ast.ListComp() | ast.GeneratorExp():
            return expression is parent.elt
        case _:
            return False


def _is_unexamined(network: Network, statement: ast.Assign | ast.AnnAssign) -> bool:
    """Tell whether nobody looks inside the layer that ``statement`` assigns."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    function = network.source.enclosing(statement, ast.FunctionDef)
    for target in targets:
        if name := self_attribute(target):
            if name in network.examined_attributes:
                return False
        elif isinstance(target, ast.Name) and function is not None:
            for use in find_nodes(function, ast.Attribute):
                if isinstance(use.value, ast.Name) and use.value.id == target.id:
                    return False
        else:
            return False
    return True


def _takes_modules(network: Network, call: ast.Call) -> bool:
    if network.kind(call) in CONTAINERS or _is_sequential(network, call):
        return True
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in ("append", "insert", "add_module")
    return isinstance(network.called_definition(call), ast.ClassDef)


def put(network: Network, element: ast.expr, layers: Sequence[str]) -> tuple[Change, ...] | None:
    """Return the changes that put ``layers``, given as code, in the place of ``element``.

    Returns:
        None where the place does not allow it.
    """
    source = network.source
    if len(layers) == 1:
        if chain_of(network, element) is None and not can_be_wrapped(network, element):
            return None
        return (source.replace(element, layers[0]),)
    chain = chain_of(network, element)
    if chain is None:
        if not can_be_wrapped(network, element):
            return None
        text = _call(network, element, f"{network.nn}.Sequential(", layers, ")")
        return (source.replace(element, text),)
    start, end = source.start(element), source.end(element)
    if source.starts_line(start) and len(chain.elements) > 1:
        separator = ",\n" + source.indentation(start)
        return (source.change(start, end, separator.join(layers)),)
    grown = sum(map(len, layers)) + 2 * len(layers) - (end - start)
    line = source.line_end(start) - source.line_start(start)
    opening = source.text[source.start(chain.holder) : source.start(chain.elements[0])]
    is_one_line = not {"\n", "\r"} & set(source.segment(chain.holder))
    if line + grown <= MAX_LINE or not is_one_line:
        return (source.change(start, end, ", ".join(layers)),)
    # The chain no longer fits on its line: break it, one layer a line.
    items = [
        *map(source.segment, chain.before),
        *layers,
        *map(source.segment, chain.after),
    ]
    closing = "]" if isinstance(chain.holder, ast.List) else ")"
    return (source.replace(chain.holder, _call(network, chain.holder, opening, items, closing)),)


def _call(
    network: Network, place: ast.expr, opening: str, items: Sequence[str], closing: str
) -> str:
    """Write a call for the place of ``place``: on one line where that fits, else on several."""
    source = network.source
    start, end = source.start(place), source.end(place)
    one_line = opening + ", ".join(items) + closing
    taken = start - source.line_start(start) + source.line_end(end) - end
    if "\n" not in one_line and taken + len(one_line) <= MAX_LINE:
        return one_line
    indentation = source.indentation(start)
    inner = indentation + network.indent
    lines = [item.replace("\n", "\n" + network.indent) for item in items]
    return "\n".join([opening, *(f"{inner}{line}," for line in lines), indentation + closing])


def wrap(
    network: Network, element: ast.expr, opening: str, *others: str
) -> tuple[Change, ...] | None:
    """Return the changes that pass ``element``, and then ``others``, to a call of ``opening``."""
    text = _call(network, element, opening + "(", [network.source.segment(element), *others], ")")
    return put(network, element, [text])


def remove(network: Network, element: ast.expr) -> tuple[Change, ...] | None:
    """Return the changes that take ``element`` out of a chain that has others."""
    chain = chain_of(network, element)
    if chain is None or len(chain.elements) < 2:
        return None
    source = network.source
    if chain.after:
        return (source.change(source.start(element), source.start(chain.after[0]), ""),)
    return (source.change(source.end(chain.before[-1]), source.end(element), ""),)
