"""Gates on the resulting text: what no diff may say, however well it fits."""

import ast
import re
from dataclasses import dataclass

from deltanas_repo_store.errors import BuildError
from deltanas_tools.apply_patch.frame import BYTE_ORDER_MARK, Frame
from deltanas_tools.apply_patch.hunks import Hunk
from deltanas_tools.apply_patch.placeholders import is_placeholder, is_plain_elision
from deltanas_tools.apply_patch.result import Refusal, listing, shown
from deltanas_tools.checks.frozen_parts import frozen_parts_changed
from deltanas_tools.checks.interface import check_interface
from deltanas_tools.checks.names import unbound_names
from deltanas_tools.syntax import parse


@dataclass(frozen=True)
class Gates:
    """Which gates are closed. Whatever they are, a delta must change something."""

    placeholders: bool = True
    """Added lines do not stand for others."""
    syntax: bool = True
    """The result is Python if the parent is."""
    names: bool = False
    """Nothing uses a name that nothing binds; of a hunk placed by similar context, never."""
    frozen: bool = False
    """How the network learns, and the names of its hyper-parameters, stay as they are."""
    interface: bool = False
    """The result has the architecture interface."""


NO_GATES = Gates(placeholders=False, syntax=False)
TEXT_GATES = Gates()
"""Gates about the text alone."""
RUN_GATES = Gates(names=True, frozen=True, interface=True)
"""All gates: for candidates of a search."""


def check_placeholders(frame: Frame, hunks: tuple[Hunk, ...], *, strict: bool) -> None:
    """Refuse added lines that stand for lines left out.

    Args:
        frame: The parent.
        hunks: The change.
        strict: Whether the diff is right in everything; three dots are Python then.

    Raises:
        Refusal: code ``placeholder``.
    """
    for hunk in hunks:
        previous = ""
        new = hunk.new
        for at, line in enumerate(new):
            following = new[at + 1].text if at + 1 < len(new) else ""
            # Three dots are a body too, after a colon.
            is_body = strict or previous.endswith(":")
            is_dots = is_plain_elision(line.text) and not is_body
            if (
                line.op == "+"
                and (is_dots or is_placeholder(line.text, following))
                and not frame.has(line.text)
            ):
                raise Refusal(
                    "placeholder",
                    f"adds {shown(line.text)} in the place of code; leave out of the diff what "
                    "stays as it is",
                    hunk=hunk.number,
                    line=line.text,
                )
            previous = line.text.rstrip() or previous


def parsed(text: str) -> ast.Module | SyntaxError:
    """Return the syntax tree of a text, or what keeps it from having one."""
    try:
        return parse(text.removeprefix(BYTE_ORDER_MARK))
    except SyntaxError as error:
        return error


def check_syntax(before: str, error: SyntaxError) -> None:
    """Refuse a result that is not Python, where the parent is.

    Raises:
        Refusal: code ``syntax``.
    """
    if isinstance(parsed(before), SyntaxError):
        return
    line = (error.text or "").strip()
    where = f"line {error.lineno}: " if error.lineno else ""
    raise Refusal(
        "syntax",
        f"the result is not Python: {where}{error.msg}" + (f": {shown(line)}" if line else ""),
        line=line,
        sites=(error.lineno,) if error.lineno else (),
    )


def check_names(before: str, after: str, *, removed: str = "") -> None:
    """Refuse a result that uses a name which nothing binds, and which the parent does not use so.

    Args:
        before: The parent.
        after: The result.
        removed: Lines of the parent whose names do not count.

    Raises:
        Refusal: code ``unbound``.
    """
    known = set(re.findall(r"\w+", removed))
    for name, line in unbound_names(before, after):
        if name in known:
            continue
        raise Refusal(
            "unbound",
            f"line {line} of the result uses the name {name!r}, and nothing binds it; import or "
            "define it in the same delta",
            line=name,
            sites=(line,),
        )


def check_run(before: str, after: str, tree: ast.Module | None, gates: Gates) -> None:
    """Refuse a result that a search has no use for.

    Raises:
        Refusal: code ``interface``, ``frozen`` or ``unbound``.
    """
    if gates.interface:
        try:
            check_interface(after)
        except BuildError as error:
            raise Refusal("interface", str(error)) from error
    parent = parsed(before) if gates.frozen else None
    if tree is not None and isinstance(parent, ast.Module):
        changed = frozen_parts_changed(parent, tree)
        if changed:
            raise Refusal(
                "frozen",
                f"the delta changes {listing(changed)}: how a network learns stays as it is, so "
                "that architectures can be compared; change the layers or forward",
            )
    if gates.names and tree is not None:
        check_names(before, after)
