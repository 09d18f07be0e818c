"""Temporary placeholder while the reader of ``<hp>`` is being written."""

from collections.abc import Mapping
from dataclasses import dataclass

from deltanas_repo_store.records import HParamValue


@dataclass(frozen=True)
class Hyperparameters:
    """Values and problems."""

    values: Mapping[str, HParamValue]
    problems: tuple[str, ...]


def read_hyperparameters(text: str, known: Mapping[str, HParamValue]) -> Hyperparameters:
    """Read."""
    return Hyperparameters({}, ())
