"""Reads the hyper-parameters that an answer proposes within its ``<hp>`` tag.

The text is data: it is parsed as JSON or as a Python literal, never evaluated, and no text raises.
"""

import ast
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeGuard

from deltanas_repo_store.records import MAX_HPARAM_TEXT, MAX_HPARAMS, HParamValue
from deltanas_tools.syntax import parse_expression

MAX_INTEGER = 2**63 - 1
"""Greatest integer that the store keeps."""

MAX_CHARACTERS = 4096
"""Longest text that is read; a hyper-parameter takes some 20 characters, and few have ten."""

REAL_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "lr": (0.0, 1.0),
        "momentum": (0.0, 1.0),
        "dropout": (0.0, 0.5),
        "weight_decay": (0.0, 1.0),
    }
)
"""Least and greatest value of the real numbers that LEMUR searches; ``lr`` must be above 0.

Source: nn-dataset 2.1.2, ``ab/nn/util/Const.py``, and for ``weight_decay`` the range of any
other name in ``ab/nn/util/Train.py``. LEMUR draws ``lr`` from 1e-5 upwards: where its logarithmic
scale starts, and nothing that a smaller learning rate would break.
"""

INTEGER_RANGES: Mapping[str, tuple[int, int]] = MappingProxyType(
    {"batch": (1, 2**12), "pretrained": (0, 1)}
)
"""Least and greatest value of the integers that LEMUR searches. Source: as for `REAL_RANGES`."""


@dataclass(frozen=True)
class Hyperparameters:
    """What an answer says about hyper-parameters."""

    values: Mapping[str, HParamValue]
    """The valid ones, by name."""
    problems: tuple[str, ...] = ()
    """A sentence for each fault: what was expected, and what was found."""


class _Fault(Exception):
    """A fault of the text, in a sentence. It does not leave this module."""


def read_hyperparameters(text: str, known: Mapping[str, HParamValue]) -> Hyperparameters:
    """Read a JSON object or a Python dictionary of hyper-parameters, in a code fence or bare.

    A name must be one of the parent's hyper-parameters, ``known``, or ``batch``, and stand once.
    Its value must be the parent's, or lie in LEMUR's range where there is one, or else be of the
    type of the parent's value; numbers are of either type where they are integral.
    """
    try:
        pairs = _pairs(text)
    except _Fault as fault:
        return Hyperparameters({}, (str(fault),))
    values: dict[str, HParamValue] = {}
    problems: list[str] = []
    names: set[str] = set()
    for name, value in pairs:
        try:
            key = _checked_name(name, known, names)
            values[key] = _checked_value(key, value, known)
        except _Fault as fault:
            problems.append(str(fault))
    return Hyperparameters(values, tuple(problems))


def _pairs(text: str) -> Iterable[tuple[object, object]]:
    """Return the names and values as they stand in the text, repeated names included."""
    text = text.strip()
    if len(text) > MAX_CHARACTERS:
        raise _Fault(
            f"expected at most {MAX_CHARACTERS} characters of hyper-parameters, found {len(text)}"
        )
    if text.startswith("```") and text.endswith("```"):
        text = re.sub(r"^\w*", "", text[3:-3]).strip()
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        pairs = _literal_pairs(text)
    if not isinstance(pairs, tuple):  # JSON, but no object
        raise _no_table(text)
    if len(pairs) > MAX_HPARAMS:
        raise _Fault(f"expected at most {MAX_HPARAMS} hyper-parameters, found {len(pairs)}")
    return pairs


def _literal_pairs(text: str) -> tuple[tuple[object, object], ...]:
    try:
        table = parse_expression(text)
        if not isinstance(table, ast.Dict):
            raise _no_table(text)
        names = [ast.literal_eval(name) for name in table.keys if name is not None]
        values = [ast.literal_eval(value) for value in table.values]
        return tuple(zip(names, values, strict=True))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise _no_table(text) from None


def _no_table(text: str) -> _Fault:
    return _Fault(
        'expected hyper-parameters as a JSON object, such as {"lr": 0.01}, found '
        + (_shown(text) if text else "nothing")
    )


def _checked_name(name: object, known: Mapping[str, HParamValue], names: set[str]) -> str:
    if not isinstance(name, str) or name not in {*known, "batch"}:
        expected = ", ".join(sorted({*known, "batch"}))[:200]
        raise _Fault(f"expected names among the network's ({expected}), found {_shown(name)}")
    if name in names:
        raise _Fault(f"{name}: expected one value, found a second one, which is passed over")
    names.add(name)
    return name


def _checked_value(name: str, value: object, known: Mapping[str, HParamValue]) -> HParamValue:
    parent = known.get(name, 1)  # of the parent's names only ``batch`` may be missing
    if name in known and value == parent and isinstance(value, bool) == isinstance(parent, bool):
        return parent
    if isinstance(parent, bool):
        if isinstance(value, bool):
            return value
        raise _unexpected(name, "true or false", value)
    if isinstance(parent, str):
        if isinstance(value, str) and len(value) <= MAX_HPARAM_TEXT and _is_plain(value):
            return value
        raise _unexpected(name, f"at most {MAX_HPARAM_TEXT} printable ASCII characters", value)
    if name in INTEGER_RANGES or (isinstance(parent, int) and name not in REAL_RANGES):
        return _checked_integer(name, value)
    return _checked_real(name, value)


def _checked_integer(name: str, value: object) -> int:
    least, greatest = INTEGER_RANGES.get(name, (-MAX_INTEGER, MAX_INTEGER))
    if _is_number(value) and least <= value <= greatest and value % 1 == 0:
        return int(value)
    within = f" from {least} to {greatest}" if name in INTEGER_RANGES else ""
    raise _unexpected(name, f"an integer{within}", value)


def _checked_real(name: str, value: object) -> float:
    least, greatest = REAL_RANGES.get(name, (-sys.float_info.max, sys.float_info.max))
    if _is_number(value) and least <= value <= greatest and (name != "lr" or value > 0):
        return float(value)
    above = "above" if name == "lr" else "from"
    within = f" {above} {least:g} to {greatest:g}" if name in REAL_RANGES else ""
    raise _unexpected(name, f"a finite number{within}", value)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _unexpected(name: str, expected: str, value: object) -> _Fault:
    return _Fault(f"{name}: expected {expected}, found {_shown(value)}")


def _shown(value: object) -> str:
    if value is not None and not isinstance(value, int | float | str):
        return "no number, text or truth value"
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        return "an integer of more than 63 bits"
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:80]}..."
