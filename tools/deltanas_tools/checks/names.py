"""Which names an edit left without anything to bind them. Nothing of the source is run.

The rule errs towards "bound": a name that is found raises NameError where its line runs.
"""

import ast
import builtins
import symtable
import warnings

_BUILTINS = frozenset(dir(builtins))
_REACHES_NAMESPACES = frozenset({"exec", "eval", "globals", "locals", "vars"})
_NAMESPACES = frozenset({"__globals__", "f_globals"})
_CATCHES_NAME_ERRORS = frozenset({"NameError", "Exception", "BaseException"})

_Scope = tuple[str, int]
"""Kind and first line, as `symtable` has them: ``("function", 20)``; a lambda is a function."""

_MODULE: _Scope = ("module", 0)


def unbound_names(before: str, after: str) -> tuple[tuple[str, int], ...]:
    """Return the names that an edit left unbound, each with the first line that loads it.

    No enclosing scope, module or builtin binds such a name under any condition, and it was not
    unbound in ``before``. In doubt a name is bound: there are none in a source that imports ``*``
    or reaches for a namespace (``globals()``, ``exec``, ``sys.modules``), nor within a ``try``
    that catches NameError; names such as ``__file__`` and ``__private`` are let pass. A text that
    is not Python has none: the interface check says what it lacks.

    It takes texts because `symtable` does: the scopes are then those of the interpreter that runs
    the candidate, and cost less than a walk over a tree in Python. Only a source in which
    something is found is parsed and walked, for the lines.
    """
    loads = _unbound_loads(after)
    if loads:
        known = {name for name, _ in _unbound_loads(before)}
        loads = {(name, scope) for name, scope in loads if name not in known}
    return _first_lines(after, loads) if loads else ()


def _unbound_loads(source: str) -> set[tuple[str, _Scope]]:
    """Return the names that are looked up as globals and bound as none, with their scopes."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string is the candidate's business
            tables = [symtable.symtable(source, "net.py", "exec")]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    bound = {s.get_name() for s in tables[0].get_symbols() if s.is_assigned() or s.is_imported()}
    loads: set[tuple[str, _Scope]] = set()
    for table in tables:
        tables.extend(table.get_children())
        scope = (str(table.get_type()), table.get_lineno())
        if isinstance(table, symtable.Function):
            names = set(table.get_globals())
        else:
            names = set(table.get_identifiers())
        for name in names - bound - _BUILTINS:
            symbol = table.lookup(name)
            if symbol.is_assigned() or symbol.is_imported():
                if symbol.is_declared_global():
                    bound.add(name)
            elif symbol.is_referenced() and symbol.is_global():
                loads.add((name, scope))
    return {(name, scope) for name, scope in loads if name not in bound and not _is_dunder(name)}


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _first_lines(source: str, loads: set[tuple[str, _Scope]]) -> tuple[tuple[str, int], ...]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (RecursionError, MemoryError):  # it may be deeper than `symtable` went
        return ()
    if any(_may_bind_anything(node) for node in ast.walk(tree)):
        return ()
    lines: dict[str, int] = {}
    pending: list[tuple[ast.AST, _Scope]] = [(tree, _MODULE)]
    while pending:
        node, scope = pending.pop()
        if not isinstance(node, ast.Name):
            pending += _children(node, scope)
        elif (node.id, scope) in loads:
            lines[node.id] = min(node.lineno, lines.get(node.id, node.lineno))
    return tuple(sorted(lines.items(), key=lambda found: (found[1], found[0])))


def _may_bind_anything(node: ast.AST) -> bool:
    match node:
        case ast.Name(id=name):
            return name in _REACHES_NAMESPACES
        case ast.Call(func=ast.Name(id="dir"), args=[]):
            return True
        case ast.Attribute(value=ast.Name(id="sys"), attr="modules"):
            return True
        case ast.Attribute(attr=name):
            return name in _NAMESPACES
        case ast.alias(name=name):
            return name in ("*", "builtins")
        case _:
            return False


def _children(node: ast.AST, scope: _Scope) -> list[tuple[ast.AST, _Scope]]:
    """Return the nodes directly below one that are run, each with the scope that it is in."""
    outside: list[ast.AST | None] = []
    inside: list[ast.AST] = []
    own = scope
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            own = ("function", node.lineno)
            outside = [*node.decorator_list, node.args, node.returns]
            inside = [*node.body]
        case ast.ClassDef():
            own = ("class", node.lineno)
            outside = [*node.decorator_list, *node.bases, *node.keywords]
            inside = [*node.body]
        case ast.Lambda():
            own = ("function", node.lineno)
            outside, inside = [node.args], [node.body]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            own = ("function", node.lineno)
            first, *others = node.generators
            outside = [first.iter]
            inside = [first.target, *first.ifs, *others]
            inside += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        case ast.Try() | ast.TryStar() if any(_catches(each) for each in node.handlers):
            outside = [*node.handlers, *node.orelse, *node.finalbody]
        case ast.AnnAssign() if scope[0] == "function":  # such an annotation is never evaluated
            outside = [node.target, node.value]
        case _:
            outside = [*ast.iter_child_nodes(node)]
    return [(each, scope) for each in outside if each] + [(each, own) for each in inside]


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(each, ast.Name) and each.id in _CATCHES_NAME_ERRORS for each in types)
