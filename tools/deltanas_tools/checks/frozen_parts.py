"""Which of the parts that an edit must leave alone it changed, read from the syntax trees.

Nothing of either source is run, and neither tree is altered.
"""

import ast
from bisect import bisect_left
from collections.abc import Iterator, Sequence

from deltanas_tools.checks.interface import Function

HYPERPARAMETERS = "supported_hyperparameters"
FROZEN_METHODS = ("train_setup", "learn")


def frozen_parts_changed(before: ast.Module, after: ast.Module) -> tuple[str, ...]:
    """Return the frozen parts whose meaning differs, such as ``("Net.learn",)``.

    The parts are the module function `supported_hyperparameters` and the methods `train_setup`
    and `learn` that `Net` has of its own or from its base classes within the module, as the last
    definition of each leaves them. Removal, an override, decorators, and whatever else binds the
    name count: ``learn = f`` in the class body, ``Net.learn = f``, ``setattr(Net, "learn", f)``,
    ``del``, a method's ``self.learn = f``, a decorator of `Net`. Comments, formatting and
    docstrings do not count. Only the parts themselves are compared: not what they call, nor what
    code outside of `Net` and its bases does within its functions.
    """
    old, new = _frozen_parts(before), _frozen_parts(after)
    return tuple(part for part in new if not _same(old[part], new[part]))


def _frozen_parts(tree: ast.Module) -> dict[str, list[ast.AST]]:
    """Return the syntax that gives each part its meaning; none for a part that is not there."""
    chain = classes_of(tree, "Net")
    writes = [*_writes(tree, chain)]
    around: list[ast.AST] = [each for each in _bindings(tree.body, "Net") if each not in chain]
    if chain:
        around += [*chain[0].decorator_list, *chain[0].keywords]
    parts: dict[str, list[ast.AST]] = {HYPERPARAMETERS: [*_bindings(tree.body, HYPERPARAMETERS)]}
    for name in FROZEN_METHODS:
        own = [*_method(chain, name), *(node for written, node in writes if written == name)]
        parts[f"Net.{name}"] = [*own, *around] if own else []
    return parts


def classes_of(tree: ast.Module, name: str) -> list[ast.ClassDef]:
    """Return a class and its bases within the module, in the order that attributes are looked up.

    A base is what its name means where the class stands: the last definition above it.
    """
    definitions: dict[str, list[ast.ClassDef]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            definitions.setdefault(node.name, []).append(node)
    chain: dict[ast.ClassDef, None] = {}
    wanted = definitions.get(name, [])[-1:]
    while wanted:
        node = wanted.pop()
        if node not in chain:
            chain[node] = None
            for base in reversed(node.bases):
                named = definitions.get(base.id, []) if isinstance(base, ast.Name) else []
                above = bisect_left(named, node.lineno, key=lambda each: each.lineno)
                wanted += named[max(above - 1, 0) : above]
    return list(chain)


def _method(chain: list[ast.ClassDef], name: str) -> list[ast.stmt]:
    return next((found for each in chain if (found := _bindings(each.body, name))), [])


def _bindings(body: list[ast.stmt], name: str) -> list[ast.stmt]:
    """Return the last statement of a body that binds a name, and earlier ones where they count.

    They do where the last one stands under a condition, or is made from what the name was before:
    ``learn = checked(learn)``.
    """
    found: list[ast.stmt] = []
    for statement in body:
        if _binds(statement, name):
            if _replaces(statement, name):
                found.clear()
            found.append(statement)
    return found


def _binds(statement: ast.stmt, name: str) -> bool:
    if isinstance(statement, Function | ast.ClassDef):
        return statement.name == name
    if isinstance(statement, ast.AnnAssign) and statement.value is None:
        return False
    return any(
        (isinstance(node, ast.Name) and node.id == name and not isinstance(node.ctx, ast.Load))
        or (isinstance(node, ast.alias) and (node.asname or node.name.split(".")[0]) == name)
        or (isinstance(node, Function | ast.ClassDef) and node.name == name)
        for node in ast.walk(statement)
    )


def _replaces(statement: ast.stmt, name: str) -> bool:
    """Tell whether nothing of what the name was before is left."""
    parts: list[ast.AST]
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            parts = [*statement.decorator_list, statement.args]
        case ast.ClassDef():
            parts = [*statement.decorator_list, *statement.bases, *statement.keywords]
        case ast.Assign() | ast.AnnAssign() | ast.Import() | ast.ImportFrom() | ast.Delete():
            parts = [statement]
        case _:
            return False
    nodes = (node for part in parts for node in ast.walk(part))
    return not any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for node in nodes
    )


def _writes(tree: ast.Module, chain: list[ast.ClassDef]) -> Iterator[tuple[str, ast.AST]]:
    """Yield what writes to attributes, with their names: at the module's level, and in `Net`."""
    loose = [each for each in tree.body if not isinstance(each, Function | ast.ClassDef)]
    for root in (*loose, *chain):
        for node in ast.walk(root):
            match node:
                case ast.Assign() | ast.Delete():
                    yield from ((name, node) for name in _attributes(node.targets))
                case ast.AugAssign() | ast.AnnAssign():
                    yield from ((name, node) for name in _attributes([node.target]))
                case ast.Call(
                    func=ast.Name(id="setattr" | "delattr"),
                    args=[_, ast.Constant(value=str(name)), *_],
                ):
                    yield name, node
                case _:
                    pass


def _attributes(targets: Sequence[ast.expr]) -> Iterator[str]:
    for target in targets:
        if not isinstance(target, ast.Name):
            for node in ast.walk(target):
                if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load):
                    yield node.attr


def _same(one: object, other: object) -> bool:
    """Compare two pieces of syntax without positions, prose and ``pass``, however deep they are."""
    pairs = [(one, other)]
    while pairs:
        a, b = pairs.pop()
        if type(a) is not type(b):
            return False
        if isinstance(a, ast.AST):
            fields = [field for field in a._fields if field not in ("kind", "type_comment")]
            pairs += [(getattr(a, field, None), getattr(b, field, None)) for field in fields]
        elif isinstance(a, list) and isinstance(b, list):
            left, right = ([each for each in x if not _says_nothing(each)] for x in (a, b))
            if len(left) != len(right):
                return False
            pairs += zip(left, right, strict=True)
        elif a != b:
            return False
    return True


def _says_nothing(node: object) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return isinstance(node.value.value, str)
    return isinstance(node, ast.Pass)
