"""corpora: finds pairs to tune a proposer on, and builds both of each in the sandbox."""

from deltanas_agent.corpora.build import Cancelled, build_corpus

__all__ = ["Cancelled", "build_corpus"]
