"""repository: git objects and refs behind one port, on disk (`git`) and in memory."""

from deltanas_repo_store.repository.memory import MemoryRepository
from deltanas_repo_store.repository.port import RefChange, RefCommit, Repository, below

__all__ = ["MemoryRepository", "RefChange", "RefCommit", "Repository", "below"]
