"""What a name may hold, read from the syntax: enough to tell what divides a channel count."""

import ast
import math
from collections.abc import Iterable, Iterator

from deltanas_tools.propose_delta.mutation.layers import bind_arguments
from deltanas_tools.propose_delta.mutation.network import Network, find_nodes, self_attribute

MAX_DEPTH = 8
"""Bindings followed one after another; deeper than any hand-written network needs."""


def divisor(network: Network, expression: ast.expr) -> int:
    """Return a number that surely divides the integer ``expression``; 1 where nothing is known."""
    return _Divisors(network).of(expression, frozenset()) or 1


def elements(network: Network, expression: ast.expr, depth: int = 0) -> tuple[ast.expr, ...]:
    """Return the expressions that a sequence may consist of; empty where that is unknown."""
    if depth > MAX_DEPTH:
        return ()
    if isinstance(expression, ast.Tuple | ast.List):
        return tuple(expression.elts)
    if isinstance(expression, ast.Subscript) and isinstance(expression.slice, ast.Slice):
        return elements(network, expression.value, depth + 1)
    if isinstance(expression, ast.Name):
        values = values_of(network, expression, depth + 1)
        return tuple(element for value in values for element in elements(network, value, depth + 1))
    return ()


def values_of(network: Network, name: ast.Name, depth: int = 0) -> tuple[ast.expr, ...]:
    """Return every expression that ``name`` may be bound to; empty where one is unknown."""
    function = network.source.enclosing(name, ast.FunctionDef)
    if function is not None:
        found = list(_values_in(network, name.id, function, depth))
        if None in found:
            return ()
        values = [value for value in found if value is not None]
        if name.id in _argument_names(function):
            passed = _values_passed(network, name.id, function)
            return (*values, *passed) if passed else ()
        if values:
            return tuple(values)
    found = list(_values_in(network, name.id, network.source.tree, depth))
    return () if None in found else tuple(value for value in found if value is not None)


def _argument_names(function: ast.FunctionDef) -> set[str]:
    arguments = function.args
    return {
        argument.arg
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)
    }


def _values_in(
    network: Network, name: str, root: ast.FunctionDef | ast.Module, depth: int
) -> Iterator[ast.expr | None]:
    """Yield what the statements of ``root`` bind ``name`` to; None for what is not known."""
    nodes = root.body if isinstance(root, ast.Module) else ast.walk(root)
    for node in nodes:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _match(network, target, (node.value,), name, depth)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from _match(network, node.target, (node.value,), name, depth)
        elif isinstance(node, ast.AugAssign):
            if isinstance(node.target, ast.Name) and node.target.id == name:
                # The old value is among the other bindings: a sum is divided by what divides
                # both, and any other operator is taken for unknown.
                yield node.value if isinstance(node.op, ast.Add) else None
        elif isinstance(node, ast.For | ast.comprehension):
            yield from _match_loop(network, node.target, node.iter, name, depth)


def _match_loop(
    network: Network, target: ast.expr, iterated: ast.expr, name: str, depth: int
) -> Iterator[ast.expr | None]:
    """Yield what a loop over ``iterated`` binds ``name`` to."""
    if (
        isinstance(iterated, ast.Call)
        and isinstance(iterated.func, ast.Name)
        and isinstance(target, ast.Tuple)
    ):
        function = iterated.func.id
        if function == "zip" and len(target.elts) == len(iterated.args):
            for element, argument in zip(target.elts, iterated.args, strict=True):
                yield from _match_loop(network, element, argument, name, depth)
            return
        if function == "enumerate" and len(target.elts) == 2 and iterated.args:
            yield from _match_loop(network, target.elts[1], iterated.args[0], name, depth)
            if _mentions(target.elts[0], name):
                yield None
            return
    if _mentions(target, name):
        found = elements(network, iterated, depth)
        if not found:
            yield None
        yield from _match(network, target, found, name, depth)


def _mentions(target: ast.expr, name: str) -> bool:
    return any(node.id == name for node in find_nodes(target, ast.Name))


def _match(
    network: Network, target: ast.expr, values: Iterable[ast.expr], name: str, depth: int
) -> Iterator[ast.expr | None]:
    """Yield what ``name`` gets where ``target`` is assigned each of ``values``."""
    if isinstance(target, ast.Name):
        if target.id == name:
            yield from values
    elif isinstance(target, ast.Tuple | ast.List) and _mentions(target, name):
        for value in values:
            parts = value.elts if isinstance(value, ast.Tuple | ast.List) else []
            if len(parts) != len(target.elts):
                yield None
                continue
            for element, part in zip(target.elts, parts, strict=True):
                yield from _match(network, element, (part,), name, depth)


def _values_passed(network: Network, name: str, function: ast.FunctionDef) -> list[ast.expr]:
    """Return what the calls of ``function`` pass for ``name``; empty where one is unknown."""
    parent = network.source.parents.get(function)
    is_constructor = isinstance(parent, ast.ClassDef) and function.name == "__init__"
    definition = parent if isinstance(parent, ast.ClassDef) and is_constructor else function
    if definition is network.net or definition.name == "forward":
        return []
    calls = [call for call in network.calls if network.called_definition(call) is definition]
    mentions = [
        node
        for node in network.nodes
        if (isinstance(node, ast.Name) and node.id == definition.name)
        or (isinstance(node, ast.Attribute) and node.attr == definition.name)
    ]
    # Who hands the class or function on, instead of calling it, may pass anything.
    called = {call.func for call in calls}
    if any(
        node not in called and not isinstance(network.source.parents[node], ast.Attribute)
        for node in mentions
    ):
        return []
    passed = [argument_of(network, call, definition, name) for call in calls]
    return [value for value in passed if value is not None] if None not in passed else []


def argument_of(
    network: Network, call: ast.Call, definition: ast.ClassDef | ast.FunctionDef, name: str
) -> ast.expr | None:
    """Return what ``call`` passes to the parameter ``name``, be it by default."""
    bound, is_complete = bind_arguments(call, network.parameters(definition))
    if name in bound:
        return bound[name]
    return default_of(network, definition, name) if is_complete else None


def default_of(
    network: Network, definition: ast.ClassDef | ast.FunctionDef, name: str
) -> ast.expr | None:
    """Return the default of a parameter of a class or function."""
    function = network.method(definition) if isinstance(definition, ast.ClassDef) else definition
    if function is None:
        return None
    arguments = function.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    defaults = dict(zip(reversed(positional), reversed(arguments.defaults), strict=False))
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            defaults[argument.arg] = default
    return defaults.get(name)


class _Divisors:
    """The greatest common divisor of what an expression may be; 0 divides into anything."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.num_cycles = 0

    def of(self, expression: ast.expr, seen: frozenset[ast.AST]) -> int:
        # An expression met again on its own way adds nothing that the rest does not tell, except
        # in a quotient, which gets smaller each time.
        if expression in seen:
            self.num_cycles += 1
            return 0
        if len(seen) > MAX_DEPTH:
            return 1
        seen = seen | {expression}
        match expression:
            case ast.Constant(value=int(value)):
                return abs(value)
            case ast.BinOp(left=left, op=operator, right=right):
                return self._of_binary(left, operator, right, seen)
            case ast.IfExp(body=body, orelse=orelse):
                return math.gcd(self.of(body, seen), self.of(orelse, seen))
            case ast.Subscript(value=ast.Name() as value):
                return self._of_any(elements(self.network, value), seen)
            case ast.Name():
                return self._of_any(values_of(self.network, expression), seen)
            case ast.Attribute() if attribute := self_attribute(expression):
                return self._of_any(self._assigned(expression, attribute), seen)
            case _:
                return 1

    def _of_binary(
        self, left: ast.expr, operator: ast.operator, right: ast.expr, seen: frozenset[ast.AST]
    ) -> int:
        num_cycles = self.num_cycles
        first, second = self.of(left, seen), self.of(right, seen)
        if isinstance(operator, ast.Mult):
            return first * second
        if isinstance(operator, ast.Add | ast.Sub):
            return math.gcd(first, second)
        is_quotient = isinstance(operator, ast.FloorDiv) and isinstance(right, ast.Constant)
        if is_quotient and self.num_cycles == num_cycles and second and first % second == 0:
            return first // second
        return 1

    def _of_any(self, values: Iterable[ast.expr], seen: frozenset[ast.AST]) -> int:
        found = [self.of(value, seen) for value in values]
        return math.gcd(*found) if found else 1

    def _assigned(self, expression: ast.expr, attribute: str) -> list[ast.expr]:
        owner = self.network.owner(expression)
        if owner is None:
            return []
        return [
            node.value
            for node in find_nodes(owner, ast.Assign)
            if any(self_attribute(target) == attribute for target in node.targets)
        ]
