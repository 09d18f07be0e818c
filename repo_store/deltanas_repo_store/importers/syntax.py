"""What the syntax tree of a network says, read in processes of their own.

Parsing 10,482 networks takes 30 seconds of CPU time, and text that breaks the parser breaks a
child alone. These children import this module: it imports nothing heavy.
"""

import ast
import hashlib
import os
import signal
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context

from deltanas_repo_store.errors import ConfigError

MAX_WORKERS = 8
CHUNK = 64
"""Sources that a child gets at once: 0.2 seconds of work, so that handing over costs little."""


@dataclass(frozen=True)
class Syntax:
    """What is known of a source without running it."""

    fingerprint: str = ""
    """Digest of the syntax tree; empty where the tree cannot be compared."""
    hyperparameters: tuple[str, ...] | None = None
    """What ``supported_hyperparameters`` returns, where it returns a literal."""
    problem: str = ""
    """Why it is not Python; empty where it is."""


def read_syntax(sources: Iterable[str]) -> Iterator[Syntax]:
    """Yield what each source says, in their order; a few sources are read ahead.

    Raises:
        ConfigError: a child ended without an answer.
    """
    chunks = _chunks(iter(sources))
    first = list(islice(chunks, 2))
    workers = min(os.cpu_count() or 1, MAX_WORKERS) if len(first) > 1 else 1
    if not first:
        return
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=leave_interrupts) as pool:
        pending: deque[Future[list[Syntax]]] = deque()
        try:
            for chunk in (*first, *islice(chunks, 2 * workers)):
                pending.append(pool.submit(parse_chunk, chunk))
            while pending:
                yield from pending.popleft().result()
                for chunk in islice(chunks, 1):
                    pending.append(pool.submit(parse_chunk, chunk))
        except BrokenProcessPool as error:
            raise ConfigError(
                "a process that parsed sources ended early: it was killed, or a source broke the "
                "parser, or the calling program has no file with an `if __name__ == '__main__':`, "
                "which Python needs to start processes"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def leave_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends its children."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def parse_chunk(sources: Sequence[str]) -> list[Syntax]:
    """Parse sources in this process: what a child does."""
    return [parsed(source) for source in sources]


def parsed(source: str) -> Syntax:
    """Parse one source; no text raises anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string is its author's business
            tree = ast.parse(source)
    except (RecursionError, MemoryError):
        return Syntax()  # what is nested this deeply may be Python; it is not compared
    except SyntaxError as error:
        where = f" at line {error.lineno}" if error.lineno else ""
        return Syntax(problem=f"it is not Python: {error.msg}{where}")
    except ValueError as error:  # NUL bytes, lone surrogates
        return Syntax(problem=f"it is not Python: {error}")
    return Syntax(_fingerprint(tree), _hyperparameters(tree))


def _chunks(sources: Iterator[str]) -> Iterator[list[str]]:
    while chunk := list(islice(sources, CHUNK)):
        yield chunk


def _fingerprint(tree: ast.Module) -> str:
    try:
        text = ast.dump(tree)
    except RecursionError:
        return ""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _hyperparameters(tree: ast.Module) -> tuple[str, ...] | None:
    """Return the names, without repetition; None where there is no function or no literal."""
    functions = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "supported_hyperparameters"
    ]
    for statement in functions[-1].body if functions else ():
        if isinstance(statement, ast.Return):
            return _strings(statement.value)
    return None


def _strings(node: ast.expr | None) -> tuple[str, ...] | None:
    """Return the strings of ``{'lr'}``, ``['lr']``, ``('lr',)``, ``{'lr': 0.1}``, ``set(...)``."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        known = node.func.id in {"set", "frozenset", "list", "tuple", "sorted"}
        return _strings(node.args[0]) if known else None
    if isinstance(node, ast.Dict):
        elements: Sequence[ast.expr | None] = node.keys
    elif isinstance(node, ast.Set | ast.List | ast.Tuple):
        elements = node.elts
    else:
        return None
    values = [
        element.value
        for element in elements
        if isinstance(element, ast.Constant) and isinstance(element.value, str)
    ]
    # A set has no order, and what is written down of it must be the same every time.
    return tuple(dict.fromkeys(values)) if len(values) == len(elements) else None
