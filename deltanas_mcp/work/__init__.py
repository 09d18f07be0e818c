"""What each kind of job does. Runs in a worker process, never in the server's."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from deltanas_mcp.work.records import JobArguments, JobKind, Report

if TYPE_CHECKING:
    from deltanas_mcp.work.works import Works

__all__ = ["JobArguments", "JobKind", "Report", "open_works"]


def open_works(store: Path) -> "AbstractContextManager[Works]":
    """Open the store at ``store`` to work on it; what that takes is imported now.

    Raises:
        StoreError: there is no store of ours at ``store``.
    """
    from deltanas_mcp.work.works import open_works as opened

    return opened(store)
