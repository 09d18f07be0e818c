"""Parses model-written source: whatever is wrong with it is one exception, and never a warning."""

import ast
import symtable
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from threading import RLock

PARSER = RLock()
"""To be held where Python text is parsed, by ``np.load`` too. Python 3.11 counts the depth of a
tree for all threads together, and two that parse at the same time can fail with SystemError."""


def parse_expression(source: str) -> ast.expr:
    """Return the syntax tree of an expression.

    Raises:
        SyntaxError: as for `parse`.
    """
    with _one_exception():
        return ast.parse(source, mode="eval").body


def parse(source: str) -> ast.Module:
    """Return the syntax tree of a source. Nothing of it is run.

    Raises:
        SyntaxError: it is not Python, or nested deeper than the parser goes; no text raises
            anything else.
    """
    with _one_exception():
        return ast.parse(source)


def symbols(source: str) -> symtable.SymbolTable:
    """Return the symbol table of a source, as the compiler makes it. Nothing of it is run.

    Raises:
        SyntaxError: as for `parse`.
    """
    with _one_exception():
        return symtable.symtable(source, "net.py", "exec")


@contextmanager
def _one_exception() -> Generator[None]:
    try:
        # The filters of warnings are of the whole process as well.
        with PARSER, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string is the candidate's business
            yield
    except (RecursionError, MemoryError) as error:
        raise SyntaxError("it is nested too deeply") from error
    except SyntaxError:
        raise
    except ValueError as error:  # NUL bytes, lone surrogates
        raise SyntaxError(str(error)) from error
