"""Bring a small class into a network: once, under a free name, in front of `Net`."""

import ast
import re
from dataclasses import dataclass

from deltanas_tools.propose_delta.mutation.network import Network
from deltanas_tools.propose_delta.mutation.source import Change
from deltanas_tools.syntax import parse


@dataclass(frozen=True)
class Block:
    """A class as code, written with the names ``nn`` and ``torch``."""

    name: str
    code: str


def bring(network: Network, block: Block) -> tuple[str, tuple[Change, ...]]:
    """Make a class available to the network.

    Returns:
        The name under which the class can be used, and the changes that define it there: none
        where the source has the same class. A name that means something else is not reused.
    """
    wanted = _signature(parse(block.code).body[0])
    name, number = block.name, 1
    while name in network.taken_names:
        present = network.definitions.get(name)
        if present is not None and _signature(present) == wanted:
            return name, ()
        number += 1
        name = f"{block.name}{number}"
    return name, (*_imports(network, block), _definition(network, block, name))


def _signature(definition: ast.stmt) -> str:
    """Return what two versions of a class share when one can stand in for the other."""
    if not isinstance(definition, ast.ClassDef):
        return ""
    bases = [base.attr if isinstance(base, ast.Attribute) else "" for base in definition.bases]
    arguments = [
        ast.dump(node.args)
        for node in definition.body
        if isinstance(node, ast.FunctionDef) and node.name in ("__init__", "forward")
    ]
    return repr((bases, arguments))


def _imports(network: Network, block: Block) -> tuple[Change, ...]:
    """Return the import of torch, where the class needs it and the source lacks it."""
    if network.spelling("torch") or not re.search(r"\btorch\.", block.code):
        return ()
    source = network.source
    first = next(
        (
            node
            for node in source.tree.body
            if isinstance(node, ast.Import | ast.ImportFrom)
            and not (isinstance(node, ast.ImportFrom) and node.module == "__future__")
        ),
        network.net,
    )
    position = source.line_start(source.start(first))
    return (source.change(position, position, "import torch\n"),)


def _definition(network: Network, block: Block, name: str) -> Change:
    """Return the change that defines the class in front of `Net` and of the comment above it."""
    source, net = network.source, network.net
    position = source.line_start(min([source.start(net), *map(source.start, net.decorator_list)]))
    while position > 0:
        above = source.line_start(position - 1)
        if not source.text[above:position].startswith("#"):
            break
        position = above
    code = re.sub(rf"\b{block.name}\b", name, block.code)
    code = re.sub(r"\bnn\.", f"{network.nn}.", code)
    code = re.sub(r"\btorch\.", f"{network.spelling('torch') or 'torch'}.", code)
    code = re.sub(r"^( {4})+", lambda m: network.indent * (len(m.group()) // 4), code, flags=re.M)
    return source.change(position, position, code.strip("\n") + "\n\n\n")
