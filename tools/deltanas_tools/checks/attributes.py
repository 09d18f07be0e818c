"""Which attributes of ``self`` an edit left without anything that sets them.

The commonest fault of an edit that applies, beside wrong shapes (the paper, section on failures):
a layer that `forward` uses and `__init__` does not make. Nothing of the source is run. The rule
errs towards "set": classes of a module are not told apart.
"""

import ast

OF_MODULES = frozenset(
    {
        *("add_module", "apply", "bfloat16", "buffers", "children", "cpu", "cuda", "device"),
        *("double", "eval", "extra_repr", "float", "forward", "get_buffer", "get_parameter"),
        *("get_submodule", "half", "load_state_dict", "modules", "named_buffers"),
        *("named_children", "named_modules", "named_parameters", "parameters"),
        *("register_buffer", "register_module", "register_parameter", "requires_grad_"),
        *("state_dict", "to", "train", "training", "type", "zero_grad"),
    }
)
"""What every `torch.nn.Module` has, as far as networks use it."""

_SETTERS = frozenset(
    {"setattr", "add_module", "register_module", "register_buffer", "register_parameter"}
)


def unset_attributes(before: ast.Module, after: ast.Module) -> tuple[str, ...]:
    """Return the attributes of ``self`` that an edit uses and nothing sets, sorted.

    What ``before`` used in the same way, such as an inherited method, is let pass.
    """
    loaded, bound = _attributes(after)
    loaded_before, bound_before = _attributes(before)
    inherited = (loaded_before - bound_before) | OF_MODULES
    return tuple(sorted(loaded - bound - inherited))


def _attributes(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the names that are looked up on ``self``, and those that something sets."""
    loaded: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Load()):
                loaded.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                bound.add(name)
            case ast.ClassDef(body=body):
                bound |= {name for statement in body for name in _names(statement)}
            case ast.Call(func=ast.Name(id=setter) | ast.Attribute(attr=setter), args=arguments):
                if setter in _SETTERS:
                    bound |= {
                        each.value
                        for each in arguments
                        if isinstance(each, ast.Constant) and isinstance(each.value, str)
                    }
            case _:
                pass
    return loaded, bound


def _names(statement: ast.stmt) -> set[str]:
    """Return the names that a statement of a class body binds."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    return {
        node.id
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
