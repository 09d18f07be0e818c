"""Dead code, as far as it can be told without running anything: what no network can notice.

Unused imports, definitions and plain assignments, what follows a ``return``, branches on a
constant. Errs towards keeping: a name that stands anywhere else, in an attribute or a string too,
is in use, and a module that looks names up by their text keeps everything.
"""

import ast
from collections.abc import Iterable, Iterator

_INTERFACE = frozenset({"Net", "supported_hyperparameters"})
"""Names that are read from outside the module."""
_BY_TEXT = frozenset({"eval", "exec", "globals", "locals", "vars", "dir", "compile", "inspect"})
"""Who uses one of these may read any name."""
_BLOCKS = ("body", "orelse", "finalbody")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def without_dead_code(tree: ast.Module) -> ast.Module:
    """Take dead code out of a tree, in place, and return it."""
    nodes = [node for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    functions = [node for node in nodes if isinstance(node, Function)]
    for node in nodes:
        for block in _blocks_of(node):
            block[:] = [each for each in block if not _does_nothing(each)]
    for function in functions:
        _cut_unreachable(function)
    while _drop_unused(tree, functions):
        pass
    for node in nodes:
        # A module may be empty; any other body may not.
        if not node.body:  # type: ignore[attr-defined]
            node.body.append(ast.Pass())  # type: ignore[attr-defined]
    return tree


def _blocks_of(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in _BLOCKS:
        block = getattr(node, name, None)
        if isinstance(block, list):
            yield block


def _blocks_in(function: Function) -> list[list[ast.stmt]]:
    """Return the blocks of a function, but for those of functions and classes in it."""
    found: list[list[ast.stmt]] = []
    waiting: list[ast.AST] = [function]
    while waiting:
        node = waiting.pop()
        for block in _blocks_of(node):
            found.append(block)
            waiting.extend(each for each in block if not isinstance(each, Function | ast.ClassDef))
        waiting.extend(getattr(node, "handlers", ()))
        waiting.extend(getattr(node, "cases", ()))
    return found


def _does_nothing(node: ast.stmt) -> bool:
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    )


def _cut_unreachable(function: Function) -> None:
    """Cut what follows the end of a block, and the branches that a constant rules out."""
    for block in _blocks_in(function):
        at = 0
        while at < len(block):
            shorter = _shorter(block, at)
            if shorter is None or not _replaced(function, block, shorter):
                at += 1


def _shorter(block: list[ast.stmt], at: int) -> list[ast.stmt] | None:
    """Return what of a block can be reached, as far as one of its statements tells."""
    match block[at]:
        case ast.If(test=ast.Constant(value=value), body=body, orelse=orelse):
            return [*block[:at], *(body if value else orelse), *block[at + 1 :]]
        case ast.Return() | ast.Raise() | ast.Continue() | ast.Break() if at + 1 < len(block):
            return block[: at + 1]
        case _:
            return None


def _replaced(function: Function, block: list[ast.stmt], shorter: list[ast.stmt]) -> bool:
    """Shorten a block, unless that changes which names are local or what kind of function it is."""
    before, kept = _nature(function), list(block)
    block[:] = shorter
    if _nature(function) == before:
        return True
    block[:] = kept
    return False


def _nature(function: Function) -> tuple[bool, frozenset[str]]:
    """Return whether it is a generator, and its local and global names that are in use."""
    bound: set[str] = set()
    used: set[str] = set()
    generates = False
    for node in _scope(function):
        match node:
            case ast.Yield() | ast.YieldFrom() | ast.Await():
                generates = True
            case ast.Name(id=name, ctx=ast.Store()) | ast.Name(id=name, ctx=ast.Del()):
                bound.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                bound.update(f"{type(node).__name__} {name}" for name in names)
                used.update(f"{type(node).__name__} {name}" for name in names)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                bound.update((each.asname or each.name).partition(".")[0] for each in aliases)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                bound.add(name)
            case _:
                pass
    parameters = {each.arg for each in ast.walk(function.args) if isinstance(each, ast.arg)}
    used |= {
        each.id
        for each in ast.walk(function)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }
    return generates, frozenset((bound - parameters) & used)


def _scope(function: Function) -> Iterator[ast.AST]:
    """Yield the function and what is in it, but for the insides of functions and classes in it."""
    yield function
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, Function | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))


def _drop_unused(tree: ast.Module, functions: Iterable[Function]) -> bool:
    """Take out what binds names that nothing else mentions; say whether there was any."""
    mentions = _mentions(tree)
    if mentions & _BY_TEXT:
        return False
    blocks = [block for function in functions for block in _blocks_in(function)]
    # Where there is no Net, any name of the module may be the one that is wanted.
    if any(isinstance(each, ast.ClassDef) and each.name == "Net" for each in tree.body):
        blocks.append(tree.body)
    found = False
    for block in blocks:
        kept = [each for each in block if not _is_unused(each, mentions)]
        found |= len(kept) < len(block)
        block[:] = kept
    return found


def _mentions(tree: ast.Module) -> set[str]:
    """Return the names that are read: variables, attributes, words of strings, ``global``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()) | ast.Name(id=name, ctx=ast.Del()):
                found.add(name)
            case ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.Constant(value=str(text)):
                found.update(text.replace(".", " ").split())
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                found.update(names)
            case ast.AugAssign(target=ast.Name(id=name)):
                found.add(name)
            case _:
                pass
    return found


def _is_unused(node: ast.stmt, mentions: set[str]) -> bool:
    match node:
        case ast.ImportFrom(module="__future__"):
            return False
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            names = {
                part for each in aliases for part in (each.asname, *each.name.split(".")) if part
            }
        case ast.Assign(targets=targets, value=value) if _is_plain(value):
            if not all(isinstance(each, ast.Name) for each in targets):
                return False
            names = {each.id for each in targets if isinstance(each, ast.Name)}
        case ast.FunctionDef(name=name) if _defines_plainly(node):
            names = {name}
        case ast.ClassDef(name=name) if _is_plain_class(node):
            names = {name}
        case _:
            return False
    return not any(
        each in mentions or each in _INTERFACE or each == "*" or each.startswith("__")
        for each in names
    )


def _is_plain(value: ast.expr | None) -> bool:
    """Say whether computing a value has no effect: a constant, a name, or some of them."""
    match value:
        case None | ast.Constant() | ast.Name():
            return True
        case ast.UnaryOp(operand=ast.Constant()):
            return True
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return all(isinstance(each, ast.Constant) for each in parts)
        case _:
            return False


def _defines_plainly(node: ast.FunctionDef) -> bool:
    defaults = [*node.args.defaults, *node.args.kw_defaults]
    return not node.decorator_list and all(_is_plain(each) for each in defaults)


def _is_plain_class(node: ast.ClassDef) -> bool:
    """Say whether a definition has no effect but its name."""
    bases = all(
        ast.unparse(each) in ("object", "nn.Module", "torch.nn.Module") for each in node.bases
    )
    return (
        bases
        and not (node.decorator_list or node.keywords)
        and all(
            (isinstance(each, ast.FunctionDef) and _defines_plainly(each))
            or (isinstance(each, ast.Assign) and _is_plain(each.value))
            or isinstance(each, ast.Pass)
            for each in node.body
        )
    )
