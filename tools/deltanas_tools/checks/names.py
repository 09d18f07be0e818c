"""Which names an edit left without anything to bind them. Nothing of the source is run.

The rule errs towards "bound": a name that is found raises NameError where its line runs.
"""

import ast
import builtins
import symtable

from deltanas_tools.syntax import parse, symbols

_BUILTINS = frozenset(dir(builtins))
_REACHES_NAMESPACES = frozenset({"exec", "eval", "globals", "locals", "vars"})
_NAMESPACES = frozenset({"__globals__", "f_globals"})
_CATCHES_NAME_ERRORS = frozenset({"NameError", "Exception", "BaseException"})

_WITHIN_A_LINE = frozenset({"lambda", "listcomp", "setcomp", "dictcomp", "genexpr"})

_Scope = tuple[str, int]
"""Kind and first line of the innermost function or class: ``("function", 20)``.

Lambdas and comprehensions belong to where they stand: some Pythons have comprehensions so.
"""

_Place = tuple[ast.AST, _Scope, frozenset[str]]
"""A node, the scope it is in, and the names that lambdas and comprehensions around it bind."""

_MODULE: _Scope = ("module", 0)
_NOTHING: frozenset[str] = frozenset()


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
        top = symbols(source)
    except SyntaxError:
        return set()
    bound = {symbol.get_name() for symbol in top.get_symbols() if _is_bound(symbol)} | _BUILTINS
    loads: set[tuple[str, _Scope]] = set()
    tables = [(top, _MODULE)]
    for table, scope in tables:
        for child in table.get_children():
            is_own = child.get_name() not in _WITHIN_A_LINE
            own = (str(child.get_type()), child.get_lineno())
            tables.append((child, own if is_own else scope))
        if isinstance(table, symtable.Function):
            names = set(table.get_globals())
        else:
            names = set(table.get_identifiers())
        for name in names - bound:
            symbol = table.lookup(name)
            if symbol.is_global() and symbol.is_referenced() and not _is_dunder(name):
                loads.add((name, scope))
    return loads


def _is_bound(symbol: symtable.Symbol) -> bool:
    """Tell whether the module, or a function by ``global``, binds a name of the module."""
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_declared_global()


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _first_lines(source: str, loads: set[tuple[str, _Scope]]) -> tuple[tuple[str, int], ...]:
    try:
        tree = parse(source)
    except SyntaxError:  # it may be deeper than `symtable` went
        return ()
    if any(_may_bind_anything(node) for node in ast.walk(tree)):
        return ()
    lines: dict[str, int] = {}
    pending: list[_Place] = [(tree, _MODULE, _NOTHING)]
    while pending:
        node, scope, own = pending.pop()
        if not isinstance(node, ast.Name):
            pending += _below(node, scope, own)
        elif isinstance(node.ctx, ast.Load) and (node.id, scope) in loads and node.id not in own:
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


def _below(node: ast.AST, scope: _Scope, own: frozenset[str]) -> list[_Place]:
    """Return the nodes directly below one that are run, and where each of them is."""
    outside: list[ast.AST | None] = []
    inside: list[ast.AST] = []
    within = (scope, own)
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            within = (("function", node.lineno), _NOTHING)
            outside = [*node.decorator_list, node.args, node.returns]
            inside = [*node.body]
        case ast.ClassDef():
            within = (("class", node.lineno), _NOTHING)
            outside = [*node.decorator_list, *node.bases, *node.keywords]
            inside = [*node.body]
        case ast.Lambda():
            arguments = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
            within = (scope, own | arguments)
            outside, inside = [node.args], [node.body]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            targets = [name for each in node.generators for name in ast.walk(each.target)]
            within = (scope, own | {each.id for each in targets if isinstance(each, ast.Name)})
            first, *others = node.generators
            outside = [first.iter]
            inside = [*first.ifs, *others]
            inside += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        case ast.Try() | ast.TryStar() if any(_catches(each) for each in node.handlers):
            outside = [*node.handlers, *node.orelse, *node.finalbody]
        case ast.AnnAssign() if scope[0] == "function":  # such an annotation is never evaluated
            outside = [node.target, node.value]
        case _:
            outside = [*ast.iter_child_nodes(node)]
    return [(each, scope, own) for each in outside if each] + [(each, *within) for each in inside]


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(each, ast.Name) and each.id in _CATCHES_NAME_ERRORS for each in types)
