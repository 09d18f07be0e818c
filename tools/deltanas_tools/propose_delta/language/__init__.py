"""language: proposers that ask a language model, on this machine or behind a server."""

from deltanas_tools.propose_delta.language.proposer import LanguageProposer
from deltanas_tools.propose_delta.language.writers import LocalWriter, ServerWriter, Writer

__all__ = ["LanguageProposer", "LocalWriter", "ServerWriter", "Writer"]
