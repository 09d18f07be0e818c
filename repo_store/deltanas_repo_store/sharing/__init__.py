"""sharing: two stores exchange what they have, and nothing clashes.

`merging` and its parts plan, as pure functions; `incoming` checks what came from elsewhere;
`exchange` does it.
"""

from deltanas_repo_store.sharing.exchange import pull, push

__all__ = ["pull", "push"]
