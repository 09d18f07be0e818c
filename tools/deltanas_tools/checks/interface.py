"""The architecture interface, checked on the syntax tree. Nothing of the source is run."""

import ast

from deltanas_repo_store.errors import BuildError
from deltanas_tools.syntax import parse

Function = ast.FunctionDef | ast.AsyncFunctionDef

INIT_ARGUMENTS = ["self", "in_shape", "out_shape", "prm", "device"]
METHODS = {
    "__init__": "__init__(self, in_shape, out_shape, prm, device)",
    "forward": "forward(self, x)",
    "train_setup": "train_setup(self, prm)",
    "learn": "learn(self, train_data)",
}


def check_interface(source: str) -> None:
    """Check that ``source`` is Python and has the architecture interface.

    Raises:
        BuildError: code ``syntax`` or ``interface``; the message says what is missing. No text
            raises anything else.
    """
    tree = _parse(source)
    if not any(_is_hyperparameters(node) for node in tree.body):
        raise _missing("the module function supported_hyperparameters(), without arguments")
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    if "Net" not in classes:
        raise _missing("the class Net at the top level of the module")
    methods = _methods(classes, "Net", {})
    for name, signature in METHODS.items():
        if name not in methods:
            raise _missing(f"the method Net.{signature}")
        if not _fits(methods[name], name):
            raise BuildError(
                f"expected the method Net.{signature}, found "
                f"{name}({ast.unparse(methods[name].args)}) at line {methods[name].lineno}"[:500],
                code="interface",
            )


def _parse(source: str) -> ast.Module:
    try:
        return parse(source)
    except SyntaxError as error:
        line = (error.text or "").strip()[:200]
        where = f" at line {error.lineno}" if error.lineno else ""
        where += f": `{line}`" if line else ""
        raise BuildError(f"the source is not Python: {error.msg}{where}", code="syntax") from error


def _missing(what: str) -> BuildError:
    return BuildError(f"the architecture interface is incomplete: missing {what}", code="interface")


def _is_hyperparameters(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.FunctionDef)
        and node.name == "supported_hyperparameters"
        and _takes(node.args, 0)
    )


def _methods(
    classes: dict[str, ast.ClassDef], name: str, known: dict[str, dict[str, Function]]
) -> dict[str, Function]:
    """Collect the methods of a class, those of its bases within the module included.

    ``known`` holds the classes that are done or under way: each is looked at once, however many
    bases a candidate makes of it.
    """
    if name not in known:
        known[name] = {}
        node = classes.get(name)
        for base in reversed(node.bases) if node else ():
            if isinstance(base, ast.Name):
                known[name] = known[name] | _methods(classes, base.id, known)
        own = node.body if node else []
        known[name] |= {each.name: each for each in own if isinstance(each, Function)}
    return known[name]


def _fits(method: Function, name: str) -> bool:
    if name == "__init__":
        arguments = [a.arg for a in (*method.args.posonlyargs, *method.args.args)]
        return arguments[:5] == INIT_ARGUMENTS and _takes(method.args, 5)
    return _takes(method.args, 2)


def _takes(arguments: ast.arguments, count: int) -> bool:
    """Tell whether a call with ``count`` positional arguments works."""
    at_most = len(arguments.posonlyargs) + len(arguments.args)
    at_least = at_most - len(arguments.defaults)
    needs_keywords = any(default is None for default in arguments.kw_defaults)
    enough = at_least <= count and (count <= at_most or arguments.vararg is not None)
    return enough and not needs_keywords
