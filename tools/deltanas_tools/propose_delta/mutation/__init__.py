"""The mutation proposer: seeded random edits of the syntax tree, without a language model."""

from deltanas_tools.propose_delta.mutation.operators import OPERATORS, Operator
from deltanas_tools.propose_delta.mutation.proposer import MutationProposer

__all__ = ["OPERATORS", "MutationProposer", "Operator"]
