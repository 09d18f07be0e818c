"""Families: networks of one kind, told by the prefix of the name."""

import re

GENERATED = ("ga-mut", "ga", "alt-nn", "alt", "ast", "rl-init", "FractalNet")
"""LEMUR's families that programs and language models wrote, hundreds of each."""

_GENERATED = re.compile(rf"({'|'.join(GENERATED)})(?=[-\d]|$)")
_HASH = re.compile(r"(?:^|-)(?:[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$")
_NUMBER = re.compile(r"(?:-?V?\d+)+$")


def family_of(name: str) -> str:
    """Return the family of a baseline: what is left without hash and numbers at the end.

    ``AirNet-777bc9dc-6d6f-...`` is of the family ``AirNet``, ``DPN107`` of ``DPN``, and
    ``plain-cnn`` of its own.
    """
    if match := _GENERATED.match(name):
        return match[1]
    return _NUMBER.sub("", _HASH.sub("", name)) or name
