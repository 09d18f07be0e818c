"""Whether a text is worth building: what can be told of a change without running anything."""

import ast

from deltanas_repo_store.errors import BuildError
from deltanas_tools.checks.attributes import unset_attributes
from deltanas_tools.checks.frozen_parts import frozen_parts_changed
from deltanas_tools.checks.interface import check_interface
from deltanas_tools.checks.names import unbound_names
from deltanas_tools.syntax import parse


def is_sound(before: str, after: str, *, frozen_parts: bool) -> bool:
    """Tell whether a change leaves Python with the interface, and nothing used that is not there.

    One of comments and blank lines alone is not sound: it does nothing. Of a parent that is no
    Python, every change is.
    """
    try:
        old = parse(before)
    except SyntaxError:
        return True
    try:
        check_interface(after)
        new = parse(after)
    except (BuildError, SyntaxError):
        return False
    if ast.dump(old) == ast.dump(new) or (frozen_parts and frozen_parts_changed(old, new)):
        return False
    return not unbound_names(before, after) and not unset_attributes(old, new)
