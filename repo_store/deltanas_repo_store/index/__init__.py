"""The index: what refs and commits say, in SQLite, so that questions cost no walk through git.

Derived, and never trusted over git: it follows the refs before it answers, whoever changed them,
and can be deleted at any time.
"""

from deltanas_repo_store.index.follower import Index

__all__ = ["Index"]
