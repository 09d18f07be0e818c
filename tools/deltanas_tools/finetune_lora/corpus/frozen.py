"""A neighbour's edit without what it did to the frozen parts, where that can be taken apart."""

import ast
import re

from deltanas_repo_store.delta import split_lines
from deltanas_repo_store.errors import PatchError
from deltanas_tools.checks.frozen_parts import frozen_parts_changed
from deltanas_tools.delta_grammar import editable
from deltanas_tools.syntax import parse

_NAME = re.compile(r"\s*(?:async\s+)?def\s+(\w+)")


def with_frozen_parts(parent: str, child: str) -> str:
    """Return the child with the frozen functions of its parent in the place of its own.

    Raises:
        PatchError: code ``frozen-parts``: they cannot be told apart, or need what only the
            parent has.
    """
    old, lines = split_lines(parent), split_lines(child)
    ours, theirs = _functions(parent, old), _functions(child, lines)
    if [name for name, _ in ours] != [name for name, _ in theirs]:
        raise _inseparable("parent and child have other frozen functions, or in another order")
    for (_, span), (_, of_parent) in reversed(list(zip(theirs, ours, strict=True))):
        lines[span.start : span.stop] = old[of_parent.start : of_parent.stop]
    repaired = "".join(lines)
    _check(parent, repaired)
    return repaired


def _functions(source: str, lines: list[str]) -> list[tuple[str, range]]:
    """Return the names and lines of the frozen functions, in their order."""
    found: list[tuple[str, range]] = []
    for span in editable(source).frozen:
        heads = [head[1] for at in span if (head := _NAME.match(lines[at]))]
        found.append((heads[0] if heads else "", span))
    return found


def _check(parent: str, repaired: str) -> None:
    """Check that the parent's functions are at home in the child."""
    try:
        before, after = parse(parent), parse(repaired)
    except SyntaxError as error:
        raise _inseparable(
            f"the child with its parent's functions is not Python: {error}"
        ) from error
    if changed := frozen_parts_changed(before, after):
        raise _inseparable(f"{', '.join(changed)} would differ still")
    spans = [range(span.start + 1, span.stop + 1) for span in editable(repaired).frozen]
    used = {
        name
        for node in ast.walk(after)
        if any(getattr(node, "lineno", 0) in span for span in spans)
        for name in _names(node, ast.Load)
    }
    if missing := sorted((used & _bound(before)) - _bound(after)):
        raise _inseparable(f"they use {', '.join(missing[:3])}, which the child has not")


def _names(node: ast.AST, context: type[ast.expr_context]) -> list[str]:
    """Return the variable, or the attribute with a dot before it, that a node reads or writes."""
    match node:
        case ast.Name(id=name, ctx=ctx) if isinstance(ctx, context):
            return [name]
        case ast.Attribute(attr=name, ctx=ctx) if isinstance(ctx, context):
            return [f".{name}"]
        case _:
            return []


def _bound(tree: ast.Module) -> set[str]:
    """Return every name that is bound anywhere: variables, attributes, functions, imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        found.update(_names(node, ast.Store))
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.update((name, f".{name}"))
            case ast.ClassDef(name=name) | ast.arg(arg=name):
                found.add(name)
            case ast.alias(name=name, asname=asname):
                found.add(asname or name.partition(".")[0])
            case _:
                pass
    return found


def _inseparable(reason: str) -> PatchError:
    return PatchError(
        f"the edit cannot be taken apart from the frozen functions: {reason}", code="frozen-parts"
    )
