"""The folders that the environment names. Light: workers of jobs need nothing else of us."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return where prepared data sets are kept: ``$DELTANAS_CACHE`` or the user's cache."""
    if own := os.environ.get("DELTANAS_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "deltanas"


def data_source() -> Path | None:
    """Return the folder with the user's own torchvision data, ``$DELTANAS_DATA``, if named."""
    own = os.environ.get("DELTANAS_DATA")
    return Path(own) if own else None
