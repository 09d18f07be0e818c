"""adapters: LoRA weights that a run has tuned, how they fared, and which of them it uses.

An adapter is kept whether it is used or not. Its commit message says all that lists show.
"""

from deltanas_repo_store.adapters.adapters import Adapters
from deltanas_repo_store.adapters.records import (
    AdapterEntry,
    AdapterId,
    AdapterKey,
    AdapterRecord,
    AdapterTrial,
    Promotion,
)

__all__ = [
    "AdapterEntry",
    "AdapterId",
    "AdapterKey",
    "AdapterRecord",
    "AdapterTrial",
    "Adapters",
    "Promotion",
]
