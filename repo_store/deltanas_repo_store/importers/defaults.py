"""The hyper-parameters of a network that comes without them."""

import re
from collections.abc import Mapping

from deltanas_repo_store.records import MAX_HPARAMS, HParamValue

BATCH = 64
"""What training takes where none is given, and the most that is taken over from others' trials:
LEMUR's go up to 4,096, for GPUs and for data sets larger than ours."""
DEFAULTS: Mapping[str, HParamValue] = {
    "lr": 0.01,
    "momentum": 0.9,
    "dropout": 0.2,
    # A network must not ask for weights that it cannot download.
    "pretrained": 0.0,
}
OTHER = 0.5
"""LEMUR's interface gives each hyper-parameter a number from 0 to 1; this is the middle."""
USUAL = ("lr", "momentum")
"""What a network gets that does not say what it wants."""


def default_hparams(
    names: tuple[str, ...] | None, trial: Mapping[str, HParamValue] | None = None
) -> dict[str, HParamValue]:
    """Return values for ``names``, those of a trial first, and the size of the batches.

    What cannot be a hyper-parameter's name is left out, and so is the transform, which belongs to
    the evaluation.
    """
    known = trial or {}
    wanted = [name for name in USUAL if names is None] + [
        name
        for name in names or ()
        if name not in {"batch", "transform"} and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name)
    ]
    values = {
        name: known.get(name, DEFAULTS.get(name, OTHER)) for name in wanted[: MAX_HPARAMS - 1]
    }
    batch = known.get("batch")
    usable = isinstance(batch, int) and not isinstance(batch, bool) and batch > 0
    return values | {"batch": min(int(batch), BATCH) if usable and batch else BATCH}
