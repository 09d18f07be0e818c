"""Exact duplicates: two sources with one digest are one network to the last operation.

Comments, formatting, docstrings, annotations, dead code, and the names of local variables and of
a module's own attributes have no say. The rule errs towards "different": a name that is used
as a keyword anywhere, or is bound outside a function too, keeps its spelling.
"""

import ast
import hashlib

from deltanas_repo_store.errors import BuildError
from deltanas_tools.novelty_check.dead_code import without_dead_code
from deltanas_tools.syntax import parse

VERSION = 2
"""Of the rule: digests of different ones do not compare."""


def parse_candidate(source: str) -> ast.Module:
    """Parse a candidate's source.

    Raises:
        BuildError: it is not Python, or nests deeper than the parser goes.
    """
    try:
        return parse(source)
    except SyntaxError as error:
        raise BuildError(f"the source is not Python: {error}", code="syntax") from error


def digest(source: str) -> str:
    """Return the digest of a source's canonical syntax tree: 64 hexadecimal digits.

    Raises:
        BuildError: the source is not Python.
    """
    tree = parse_candidate(source)
    try:
        live = without_dead_code(_Unannotated().visit(without_prose(tree)))
        canonical = ast.dump(_Renamer(live).visit(live))
    except RecursionError as error:
        raise BuildError("the source nests too deeply to be compared", code="syntax") from error
    return hashlib.sha256(canonical.encode(errors="backslashreplace")).hexdigest()


def without_prose(tree: ast.Module) -> ast.Module:
    """Take docstrings and other bare strings out of a tree, in place, and return it."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_prose(each)] or [ast.Pass()]  # type: ignore[attr-defined]
    return tree


def _is_prose(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


class _Unannotated(ast.NodeTransformer):
    """Take annotations out, but of classes that may be made of them, such as data classes."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        fields = []
        if node.decorator_list or any(not _is_module(each) for each in node.bases):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
        places = [(node.body.index(each), each) for each in fields]
        self.generic_visit(node)
        for at, each in places:
            node.body[at] = each
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is None:
            return ast.Pass()
        plain = ast.Assign(targets=[node.target], value=node.value, type_comment=None)
        return self.generic_visit(ast.copy_location(plain, node))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(arg=node.arg, annotation=None)


def _is_module(base: ast.expr) -> bool:
    return ast.unparse(base).rpartition(".")[2] in ("Module", "object")


class _Renamer(ast.NodeTransformer):
    """Number local names in the order of their appearance, function by function."""

    def __init__(self, tree: ast.Module) -> None:
        self._kept = _names_to_keep(tree)
        self._attributes: dict[str, str] = {}
        self._own_attributes = _own_attributes(tree)
        self._scopes: list[dict[str, str]] = []
        self._numbered = 0

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._in_a_scope(node, _bound_names(node))

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._in_a_scope(node, _bound_names(node))

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        return self._in_a_scope(node, _bound_names(node))

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(arg=self._renamed(node.arg), annotation=None)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(id=self._renamed(node.id), ctx=node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        of_self = isinstance(node.value, ast.Name) and node.value.id == "self"
        name = node.attr
        if of_self and name in self._own_attributes:
            name = self._attributes.setdefault(name, f"@{len(self._attributes)}")
        return ast.Attribute(value=self.visit(node.value), attr=name, ctx=node.ctx)

    def _in_a_scope(self, node: ast.AST, names: set[str]) -> ast.AST:
        self._scopes.append(dict.fromkeys(names - self._kept, ""))
        renamed = self.generic_visit(node)
        self._scopes.pop()
        return renamed

    def _renamed(self, name: str) -> str:
        for scope in reversed(self._scopes):
            if name in scope:
                if not scope[name]:
                    self._numbered += 1
                    scope[name] = f"${self._numbered}"
                return scope[name]
        return name


def _bound_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    """Return the names that the function binds, itself or in a comprehension."""
    names = {arg.arg for arg in ast.walk(function.args) if isinstance(arg, ast.arg)}
    body = function.body if isinstance(function.body, list) else [function.body]
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting.extend(ast.iter_child_nodes(node))
    return names


def _names_to_keep(tree: ast.Module) -> set[str]:
    """Return names whose spelling may matter beyond their function."""
    kept = {"self"}
    for node in ast.walk(tree):
        match node:
            case ast.keyword(arg=str(name)):
                kept.add(name)
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                kept.update(names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                kept.add(name)
            case ast.ClassDef(name=name):
                kept.add(name)
            case ast.alias(name=name, asname=asname):
                kept.add(asname or name)
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)):
                kept.add(name)
            case _:
                pass
    for statement in tree.body:
        if not isinstance(statement, ast.FunctionDef | ast.ClassDef):
            kept |= {each.id for each in ast.walk(statement) if isinstance(each, ast.Name)}
    return kept


def _own_attributes(tree: ast.Module) -> set[str]:
    """Return the attributes that are assigned on ``self`` and never touched on anything else."""
    own: set[str] = set()
    elsewhere: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                own.add(name)
            case ast.Attribute(value=ast.Name(id="self")):
                pass
            case ast.Attribute(attr=name):
                elsewhere.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                elsewhere.add(name)
            case ast.Constant(value=str(text)):
                # getattr(self, "name") and the like.
                elsewhere.add(text)
            case _:
                pass
    return own - elsewhere
