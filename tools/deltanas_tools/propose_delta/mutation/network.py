"""A source read as a network: its imports, its classes, and the layers that reach `Net.forward`.

The reading is syntactic: nothing is imported or run. What defines the training and not the
network (`FROZEN`) is invisible here, so that no operator can touch it.
"""

import ast
from collections.abc import Iterable, Iterator
from functools import cached_property

from deltanas_tools.propose_delta.mutation.layers import SIGNATURES, Layer, bind_arguments
from deltanas_tools.propose_delta.mutation.source import Node, Source

FROZEN = {"train_setup", "learn", "supported_hyperparameters"}

Definition = ast.ClassDef | ast.FunctionDef


class NotANetworkError(ValueError):
    """The source has no `Net`, or gives torch.nn no name."""


class Network:
    """A network's source with the questions that operators ask about it."""

    def __init__(self, text: str) -> None:
        """Read ``text``.

        Raises:
            SyntaxError: the text is not Python.
            ValueError: the text holds a null character, or is not a network.
        """
        self.source = Source(text)
        self.aliases = _aliases(self.source.children)
        self.definitions: dict[str, Definition] = {
            node.name: node
            for node in self.source.tree.body
            if isinstance(node, ast.ClassDef | ast.FunctionDef)
        }
        net = self.definitions.get("Net")
        if not isinstance(net, ast.ClassDef):
            raise NotANetworkError("there is no class Net")
        self.net = net
        self.nn = self.spelling("torch.nn") or ""
        if not self.nn:
            raise NotANetworkError("torch.nn is not imported under a name")
        self.functional = self.spelling("torch.nn.functional") or f"{self.nn}.functional"
        self.nodes = tuple(self._live_nodes())

    @cached_property
    def indent(self) -> str:
        """The white space of one level of indentation."""
        return self.source.indentation(self.source.start(self.net.body[0])) or "    "

    def spelling(self, dotted: str) -> str | None:
        """Return how this source spells a module such as ``torch.nn``; None if it cannot."""
        for alias, target in self.aliases.items():
            if target == dotted:
                return alias
        parent, _, last = dotted.rpartition(".")
        prefix = self.spelling(parent) if parent else None
        return f"{prefix}.{last}" if prefix else None

    def canonical(self, expression: ast.expr) -> str:
        """Return the full dotted name of what ``expression`` refers to, or an empty text."""
        names: list[str] = []
        while isinstance(expression, ast.Attribute):
            names.append(expression.attr)
            expression = expression.value
        if not isinstance(expression, ast.Name) or expression.id not in self.aliases:
            return ""
        return ".".join([self.aliases[expression.id], *reversed(names)])

    def kind(self, expression: ast.expr) -> str:
        """Return ``Conv2d`` for a reference to ``torch.nn.Conv2d`` or a call of it, else ''."""
        if isinstance(expression, ast.Call):
            expression = expression.func
        prefix, _, name = self.canonical(expression).rpartition(".")
        return name if prefix == "torch.nn" else ""

    def function(self, call: ast.Call) -> str:
        """Return ``relu`` for ``F.relu(x)`` and ``torch.relu(x)``, else ''."""
        prefix, _, name = self.canonical(call.func).rpartition(".")
        return name if prefix in ("torch", "torch.nn.functional") else ""

    @cached_property
    def calls(self) -> tuple[ast.Call, ...]:
        """Every call in the live code."""
        return tuple(node for node in self.nodes if isinstance(node, ast.Call))

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """Every call of a torch.nn class in the live code."""
        return tuple(layer for call in self.calls if (layer := self.layer(call)))

    def layers_of(self, *kinds: str) -> Iterator[Layer]:
        """Yield the layers of these kinds."""
        return (layer for layer in self.layers if layer.kind in kinds)

    def layer(self, expression: ast.expr) -> Layer | None:
        """Read a call of a torch.nn class; None for any other expression."""
        kind = self.kind(expression)
        if not isinstance(expression, ast.Call) or not kind or not kind[0].isupper():
            return None
        return Layer(expression, kind, *bind_arguments(expression, SIGNATURES.get(kind, ())))

    def called_definition(self, call: ast.expr) -> Definition | None:
        """Return the class, function or own method that ``call`` calls, if it is in this source."""
        if not isinstance(call, ast.Call):
            return None
        if isinstance(call.func, ast.Name):
            return self.definitions.get(call.func.id)
        owner, name = self.owner(call), self_attribute(call.func)
        return self.method(owner, name) if owner and name else None

    def parameters(self, definition: Definition) -> tuple[str, ...]:
        """Return the names that the positional arguments of a call of ``definition`` go to."""
        function = self.method(definition) if isinstance(definition, ast.ClassDef) else definition
        if function is None:
            return ()
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        is_method = isinstance(self.source.parents[function], ast.ClassDef)
        return tuple(names[1:] if is_method else names)

    def method(self, owner: ast.ClassDef, name: str = "__init__") -> ast.FunctionDef | None:
        """Return a method of a class of this source."""
        return next(
            (
                node
                for node in owner.body
                if isinstance(node, ast.FunctionDef) and node.name == name
            ),
            None,
        )

    def is_module(self, owner: ast.ClassDef) -> bool:
        """Tell whether a class derives directly from `nn.Module` or `nn.Sequential`."""
        return any(self.kind(base) in ("Module", "Sequential") for base in owner.bases)

    def owner(self, node: ast.AST) -> ast.ClassDef | None:
        """Return the class around ``node``."""
        return self.source.enclosing(node, ast.ClassDef)

    def attribute(self, node: ast.AST) -> str:
        """Return ``conv1`` where ``node`` stands in the statement ``self.conv1 = ...``, else ''."""
        statement = self.source.enclosing(node, ast.stmt)
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                if name := self_attribute(target):
                    return name
        return ""

    def place(self, node: ast.AST) -> str:
        """Say where ``node`` stands, in words: ``in ConvBlock.conv1``, ``in the stem``."""
        owner, attribute = self.owner(node), self.attribute(node)
        if owner is None:
            function = self.source.enclosing(node, ast.FunctionDef)
            return f"in {function.name}" if function else "at the top"
        if owner is self.net:
            return f"in the {attribute}" if attribute else "in Net"
        return f"in {owner.name}.{attribute}" if attribute else f"in {owner.name}"

    @cached_property
    def taken_names(self) -> set[str]:
        """Every name that the source binds or mentions."""
        names = set(self.definitions) | set(self.aliases)
        return names | {node.id for node in self.source.children if isinstance(node, ast.Name)}

    @cached_property
    def read_names(self) -> set[str]:
        """Variables that some expression of the live code reads."""
        return {
            node.id
            for node in self.nodes
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
        }

    @cached_property
    def read_attributes(self) -> set[str]:
        """Attribute names that some expression outside the frozen functions reads."""
        return {
            node.attr
            for node in self._unfrozen(self.source.tree)
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
        }

    @cached_property
    def examined_attributes(self) -> set[str]:
        """Attributes ``x`` whose inside is looked at, as in ``self.x.weight`` or ``self.x[0]``.

        A layer under such a name cannot be put into another module: the path would change.
        """
        harmless = {"parameters", "modules", "named_parameters", "train", "eval", "to", "apply"}
        return {
            node.value.attr
            for node in self._unfrozen(self.source.tree)
            if (isinstance(node, ast.Attribute) and node.attr not in harmless)
            or isinstance(node, ast.Subscript)
            if isinstance(node.value, ast.Attribute)
        }

    def _unfrozen(self, root: ast.AST) -> Iterator[ast.AST]:
        """Walk the tree without the frozen functions, f-strings, and decorators.

        Python 3.11 gives wrong positions inside f-strings.
        """
        pending = [root]
        while pending:
            node = pending.pop()
            yield node
            children = [
                child
                for child in self.source.children[node]
                if not isinstance(child, ast.JoinedStr)
                and not (isinstance(child, ast.FunctionDef) and child.name in FROZEN)
            ]
            pending.extend(reversed(children))

    def _live_nodes(self) -> Iterator[ast.AST]:
        """Yield the nodes that can matter to `Net.forward`, in the order of the text."""
        assigned: dict[str, ast.stmt] = {
            target.id: node
            for node in self.source.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        pending, live = ["Net"], {"Net"}
        found: list[tuple[ast.stmt, list[ast.AST]]] = []
        while pending:
            name = pending.pop()
            root = self.definitions.get(name) or assigned.get(name)
            if root is None or name in FROZEN:
                continue
            nodes = list(self._live_within(root))
            found.append((root, nodes))
            mentioned = {node.id for node in nodes if isinstance(node, ast.Name)}
            pending += sorted(mentioned - live)
            live |= mentioned
        for _, nodes in sorted(found, key=lambda pair: (pair[0].lineno, pair[0].col_offset)):
            yield from nodes

    def _live_within(self, root: ast.AST) -> Iterator[ast.AST]:
        """Walk ``root`` without methods that nobody calls and attributes that nobody reads."""
        is_dynamic = any(node.id in ("getattr", "setattr") for node in find_nodes(root, ast.Name))
        pending = [root]
        while pending:
            node = pending.pop()
            yield node
            for child in reversed(self.source.children[node]):
                if isinstance(child, ast.JoinedStr) or self._is_dead(child, is_dynamic):
                    continue
                pending.append(child)

    def _is_dead(self, node: ast.AST, is_dynamic: bool) -> bool:
        if isinstance(node, ast.FunctionDef):
            if node.name in FROZEN:
                return True
            is_method = isinstance(self.source.parents[node], ast.ClassDef)
            used = self.read_attributes | {"__init__", "forward"}
            return is_method and node.name not in used and not is_dynamic
        if isinstance(node, ast.Assign) and not is_dynamic:
            names = [self_attribute(target) for target in node.targets]
            return all(name and name not in self.read_attributes for name in names)
        return False


def self_attribute(expression: ast.AST) -> str:
    """Return ``x`` for the expression ``self.x``, else an empty text."""
    if (
        isinstance(expression, ast.Attribute)
        and isinstance(expression.value, ast.Name)
        and expression.value.id == "self"
    ):
        return expression.attr
    return ""


def find_nodes(root: ast.AST, kind: type[Node]) -> Iterator[Node]:
    """Yield the nodes of type ``kind`` in and under ``root``."""
    return (node for node in ast.walk(root) if isinstance(node, kind))


def _aliases(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Return what the names that the imports bind stand for: ``{"F": "torch.nn.functional"}``."""
    aliases: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                target = name.name if name.asname else name.name.partition(".")[0]
                aliases[name.asname or target] = target
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for name in node.names:
                aliases[name.asname or name.name] = f"{node.module}.{name.name}"
    return aliases
