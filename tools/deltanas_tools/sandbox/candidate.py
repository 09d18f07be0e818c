"""What every entry needs inside the child: load a candidate, and say in words what went wrong.

Only the fork server imports this; everything here runs next to model-written code.
"""

import errno
import linecache
import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, TracebackType

import numpy as np
import torch
from torch import nn

from deltanas_tools.sandbox.messages import SOURCE_NAME

MAX_ERROR_CHARS = 1000


class Fault(Exception):
    """The candidate is at fault; ``code`` and message become the child's reply."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def seed_everything(seed: int, *, threads: int) -> None:
    """Seed what a candidate draws from: forks of one server share all random states."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # numpy takes 32 bits
    random.seed(seed)


def load_module(source: str) -> ModuleType:
    """Run a candidate's source as the module ``net``.

    Raises:
        Fault: the module's own code raises.
    """
    module = ModuleType("net")
    module.__file__ = SOURCE_NAME
    # Without an mtime linecache keeps the entry: tracebacks, inspect and torch.jit find the text.
    linecache.cache[SOURCE_NAME] = (len(source), None, source.splitlines(True), SOURCE_NAME)
    sys.modules["net"] = module
    with blamed("construct", "importing the module", source):
        exec(compile(source, SOURCE_NAME, "exec"), module.__dict__)
    return module


def build_net(
    module: ModuleType,
    source: str,
    *,
    in_shape: tuple[int, ...],
    num_classes: int,
    prm: Mapping[str, object],
    device: torch.device,
) -> nn.Module:
    """Construct the candidate's `Net` on ``device``.

    Raises:
        Fault: it raises, or is not a `torch.nn.Module`.
    """
    with blamed("construct", "Net.__init__", source):
        net = module.Net(in_shape, (num_classes,), dict(prm), device)
    if not isinstance(net, nn.Module):
        raise Fault("construct", f"Net must be a torch.nn.Module, found {type(net).__name__}")
    with blamed("construct", "moving the network to its device", source):
        return net.to(device)


def num_trainable(net: nn.Module) -> int:
    """Count the trainable parameters."""
    return sum(p.numel() for p in net.parameters() if p.requires_grad)


@contextmanager
def blamed(code: str, doing: str, source: str) -> Iterator[None]:
    """Turn whatever model-written code raises, `SystemExit` too, into a `Fault` with ``code``."""
    try:
        yield
    except Fault:
        raise
    except BaseException as error:  # the boundary to model-written code: anything may come
        fault = "out-of-memory" if is_out_of_memory(error) else code
        raise Fault(fault, f"{doing}: {describe(error, source)}") from None


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an allocation failed; torch's CPU allocator says so only in words."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and "allocate memory" in _text(error)


def describe(error: BaseException, source: str) -> str:
    """Return type, message and innermost line of the candidate's source, for a model to read."""
    text = _text(error)
    described = f"{type(error).__name__}: {text}" if text else type(error).__name__
    if len(described) > MAX_ERROR_CHARS:
        described = described[:MAX_ERROR_CHARS] + " ..."
    number = _line_number(error.__traceback__)
    lines = source.splitlines()
    if not 1 <= number <= len(lines):
        return described
    return f"{described} ({SOURCE_NAME} line {number}: `{lines[number - 1].strip()[:200]}`)"


def _text(error: BaseException) -> str:
    try:
        # Lone surrogates would make the reply unreadable.
        return str(error).encode(errors="backslashreplace").decode()
    except Exception:  # a candidate's exception may have a __str__ that raises
        return "(its message cannot be printed)"


def _line_number(traceback: TracebackType | None) -> int:
    """Return the innermost line within the candidate; 0 where none of its lines took part."""
    number = 0
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == SOURCE_NAME:
            number = traceback.tb_lineno
        traceback = traceback.tb_next
    return number
