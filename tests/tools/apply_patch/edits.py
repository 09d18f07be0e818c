"""Realistic edits of real networks: what a model is asked for, before anything goes wrong."""

import ast
from collections.abc import Callable
from dataclasses import replace
from random import Random

from tests.tools.apply_patch.drafts import Draft, draft_of
from tests.tools.apply_patch.reference import Edit, file_lines, merged
from tests.tools.apply_patch.rework import is_unique
from tests.tools.apply_patch.sources import COMMENTS, Source, with_crlf
from tests.tools.apply_patch.syntax import functions, indentation, loose, parsed, parses, statements

LAYERS = (
    "nn.BatchNorm2d({n})",
    "nn.Dropout(0.{n})",
    "nn.Conv2d({n}, {n}, kernel_size=3, padding=1)",
    "nn.Sequential(nn.Linear({n}, {n}), nn.ReLU(inplace=True))",
    "nn.AdaptiveAvgPool2d(({n}, {n}))",
    "nn.Hardswish()",
    "nn.Upsample(scale_factor={n}, mode='nearest')",
)
STEPS = (
    "{x} = torch.clamp({x}, -{n}.0, {n}.0)",
    "{x} = torch.tanh({x} / {n})",
    "{x} = {x} * 0.{n} + 1e-{n}",
    "{x} = self.extra_{n}({x})  # refine once more",
    "{x} = nn.functional.dropout({x}, p=0.{n}, training=self.training)",
)
IMPORTS = (
    "import math",
    "from functools import partial",
    "from typing import Optional",
    "from collections import OrderedDict",
    "import torch.nn.functional as F",
)
METHODS = (
    "    def count_parameters(self):\n"
    '        """Count what is trained."""\n'
    "        total = 0\n\n"
    "        for parameter in self.parameters():\n"
    "            total += parameter.numel()\n"
    "        return total\n",
    "    def freeze_{n}(self, rate=0.{n}):\n"
    "        for parameter in self.parameters():\n"
    "            parameter.requires_grad = rate > {n}\n"
    "        return self\n",
    "    def scale_{n}(self, x):\n        return x * {n}  # as in the paper\n",
)
WORDS = (
    ("nn.ReLU", "nn.SiLU"),
    ("nn.GELU", "nn.ELU"),
    ("nn.MaxPool2d", "nn.AvgPool2d"),
    ("bias=False", "bias=True"),
    ("nn.Dropout(", "nn.AlphaDropout("),
    ("torch.optim.SGD", "torch.optim.RMSprop"),
)


def make_edit(source: Source, rng: Random) -> Draft | None:
    """One to three changes of a source, each hunk in one place; None where that fails."""
    lines, tree = file_lines(source.text), parsed(source.text)
    wanted = rng.choice([1, 1, 1, 2, 2, 3])
    near = rng.randrange(len(lines)) if rng.random() < 0.4 else None
    changes: list[Edit] = []
    for _ in range(wanted * 4):
        change = rng.choice(KINDS)(lines, tree, rng)
        if change is None or (near is not None and abs(change.start - near) > 12):
            continue
        if all(change.start > other.end or other.start > change.end for other in changes):
            changes.append(change)
        if len(changes) == wanted:
            break
    return _edited(source, lines, tree, changes)


def _edited(
    source: Source, lines: list[str], tree: ast.Module, changes: list[Edit]
) -> Draft | None:
    result = merged(source.text.split("\n"), changes)
    if not changes or result is None:
        return None
    text = "\n".join(result)
    if text == source.text or not parses(text) or loose(parsed(text)) - loose(tree):
        return None
    draft = draft_of(source.name, source.text, text)
    if not is_unique(draft):
        return None
    return replace(draft, encode=with_crlf) if source.crlf else draft


def _number(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float)
    ]
    if not found:
        return None
    node = rng.choice(found)
    at, line = node.lineno - 1, lines[node.lineno - 1]
    if not line.isascii() or node.lineno != node.end_lineno:
        return None
    assert isinstance(node.value, int | float)
    value = node.value * 2 if node.value else node.value + 3
    return Edit(at, at + 1, (f"{line[: node.col_offset]}{value}{line[node.end_col_offset :]}",))


def _word(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    old, new = rng.choice(WORDS)
    found = [at for at, line in enumerate(lines) if old in line]
    if not found:
        return None
    at = rng.choice(found)
    return Edit(at, at + 1, (lines[at].replace(old, new, 1),))


def _insertion(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    found = functions(tree, "__init__", "forward")
    if not found:
        return None
    function = rng.choice(found)
    after = rng.choice(function.body)
    if isinstance(after, ast.Return) or after.lineno == function.lineno:
        return None
    indent = " " * after.col_offset
    first = function.args.args[1].arg if len(function.args.args) > 1 else "x"
    added = [_filled(rng, function.name, first) for _ in range(rng.choice([1, 1, 2]))]
    if rng.random() < 0.2:
        added.insert(0, rng.choice(COMMENTS))
    new = [indent + line for line in added] + ([""] if rng.random() < 0.1 else [])
    return Edit(after.end_lineno or 0, after.end_lineno or 0, tuple(new))


def _filled(rng: Random, function: str, x: str) -> str:
    n = rng.randrange(2, 99)
    if function == "forward":
        return rng.choice(STEPS).format(n=n, x=x)
    return f"self.extra_{n} = {rng.choice(LAYERS).format(n=n)}"


def _element(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    """Insert or delete one element of a call that has a line for each."""
    found = [
        node
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for node in call.args
        if node.lineno == node.end_lineno and lines[node.lineno - 1].strip().startswith("nn.")
    ]
    if not found:
        return None
    node = rng.choice(found)
    at, line = node.lineno - 1, lines[node.lineno - 1]
    if not line.rstrip().endswith(",") or len(indentation(line)) != node.col_offset:
        return None
    if rng.random() < 0.4:
        return Edit(at, at + 1, ())
    layer = rng.choice(LAYERS).format(n=rng.randrange(2, 99))
    return Edit(at + 1, at + 1, (f"{indentation(line)}{layer},",))


def _deletion(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    found = statements(tree, lines)
    if not found:
        return None
    at = rng.choice(found).lineno - 1
    return Edit(at, at + 1, ())


def _block(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    """Replace two to four statements that follow each other."""
    found = {node.lineno - 1: node for node in statements(tree, lines)}
    if not found:
        return None
    start = rng.choice([*found])
    end = start + 1
    while end in found and found[end].col_offset == found[start].col_offset and end - start < 4:
        end += 1
    if end - start < 2:
        return None
    indent, n = indentation(lines[start]), rng.randrange(2, 99)
    new = [f"{indent}self.extra_{n} = {rng.choice(LAYERS).format(n=n)}"]
    new += [line for line in lines[start:end] if rng.random() < 0.5] if rng.random() < 0.5 else []
    new += [f"{indent}self.extra_{n + 1} = {n}"] if rng.random() < 0.5 else []
    return Edit(start, end, tuple(new))


def _method(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    found = [
        node
        for owner in ast.walk(tree)
        if isinstance(owner, ast.ClassDef)
        for node in owner.body
        if isinstance(node, ast.FunctionDef) and node.col_offset == 4
    ]
    if not found:
        return None
    at = rng.choice(found).end_lineno or 0
    text = rng.choice(METHODS).replace("{n}", str(rng.randrange(2, 99)))
    return Edit(at, at, ("", *file_lines(text)))


def _function(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    """Replace the body of a short function."""
    found = [
        node
        for node in functions(tree)
        if isinstance(node.body[0], ast.stmt)
        and node.body[0].lineno > node.lineno
        and 1 < (node.end_lineno or 0) - node.body[0].lineno < 8
    ]
    if not found:
        return None
    node = rng.choice(found)
    start, end, n = node.body[0].lineno - 1, node.end_lineno or 0, rng.randrange(2, 99)
    indent = " " * node.body[0].col_offset
    first = next((arg.arg for arg in node.args.args if arg.arg != "self"), "None")
    new = rng.choice(
        [
            (f"{indent}return {first}",),
            (f"{indent}value_{n} = {first}", "", f"{indent}return value_{n}  # simpler"),
        ]
    )
    return Edit(start, end, new)


def _import(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    found = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    line = rng.choice(IMPORTS)
    if not found or line in lines:
        return None
    at = rng.choice([found[0].lineno - 1, found[-1].end_lineno or 0])
    return Edit(at, at, (line,))


def _signature(lines: list[str], tree: ast.Module, rng: Random) -> Edit | None:
    found = [
        node.lineno - 1
        for node in functions(tree)
        if lines[node.lineno - 1].rstrip().endswith("):") and "*" not in lines[node.lineno - 1]
    ]
    if not found:
        return None
    at = rng.choice(found)
    head, _, tail = lines[at].rpartition("):")
    comma = "" if head.endswith("(") else ", "
    return Edit(at, at + 1, (f"{head}{comma}scale=1.0):{tail}",))


KINDS: tuple[Callable[[list[str], ast.Module, Random], Edit | None], ...] = (
    _number,
    _number,
    _word,
    _insertion,
    _insertion,
    _insertion,
    _element,
    _deletion,
    _block,
    _block,
    _function,
    _method,
    _import,
    _signature,
)
