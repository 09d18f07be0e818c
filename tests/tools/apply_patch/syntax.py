"""Python as a tree: what an edit can be made of, and what it may not leave unbound."""

import ast
import builtins
import warnings
from collections.abc import Iterator


def parses(text: str) -> bool:
    """True for Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return False
    return True


def indentation(line: str) -> str:
    """The white space that a line begins with."""
    return line[: len(line) - len(line.lstrip())]


def parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


def functions(tree: ast.Module, *names: str) -> list[ast.FunctionDef]:
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [node for node in found if not names or node.name in names]


def statements(tree: ast.AST, lines: list[str]) -> list[ast.stmt]:
    """The statements within functions that have one line to themselves; no docstrings."""
    found = []
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            own_line = isinstance(node, ast.Assign | ast.AugAssign | ast.Expr | ast.Return)
            if not own_line or (
                isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            ):
                continue
            assert isinstance(node, ast.stmt)
            line = lines[node.lineno - 1]
            if node.lineno == node.end_lineno and line.isascii() and ";" not in line:
                found += [node] if len(indentation(line)) == node.col_offset else []
    return found


def loose(tree: ast.Module) -> set[str]:
    """The names that are read in a function where nothing binds them, and such ``self.x``."""
    stored, read = set[str](), set[str]()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=attr, ctx=ctx):
                (read if isinstance(ctx, ast.Load) else stored).add(f"self.{attr}")
            case ast.FunctionDef(name=name):
                stored.add(f"self.{name}")
    attributes = {name for name in read - stored if not name.startswith("self.extra_")}
    return attributes | _unbound(tree, set(dir(builtins)), "module")


def _unbound(scope: ast.AST, outer: set[str], name: str) -> set[str]:
    """The names unbound in a module or function, each with the function that reads it."""
    inner = [node for node in _within(scope) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    own = list(_within(scope))
    bound = outer | {given for node in own for given in _bound_by(node)}
    if isinstance(scope, ast.FunctionDef | ast.Lambda):
        bound |= {node.arg for node in ast.walk(scope.args) if isinstance(node, ast.arg)}
    read = {node.id for node in own if isinstance(node, ast.Name)}
    found = {f"{name}: {given}" for given in read - bound}
    for function in inner:
        found |= _unbound(function, bound, getattr(function, "name", "lambda"))
    return found


def _within(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, with the functions in it but without what is in those."""
    for node in ast.iter_child_nodes(scope):
        yield node
        if not isinstance(node, ast.FunctionDef | ast.Lambda):
            yield from _within(node)


def _bound_by(node: ast.AST) -> list[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            return [name]
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.alias(name=name, asname=given):
            return [given or name.split(".")[0]]
        case ast.ExceptHandler(name=str(name)):
            return [name]
    return []
